"""Files of Python's writers with the data of sample_data/warpbreaks.csv: python tests/table/files/write.py

Needs openpyxl, odfpy, xlwt, msoffcrypto-tool and pandas, which the tests do not.
"""

import datetime
from pathlib import Path

import openpyxl
import pandas as pd
import xlwt

HERE = Path(__file__).parent
warp = pd.read_csv(HERE.parents[2] / "sample_data" / "warpbreaks.csv")
warp["day"] = [datetime.date(2024, 3, 1) + datetime.timedelta(days) for days in range(len(warp))]

# A title above, a line of units below the header, numbers typed as text with separators, rows that are wholly empty.
book = openpyxl.Workbook()
sheet = book.active
sheet.title = "Report"
for row in (["Breaks of yarn"], [], list(warp.columns), ["per loom", None, None, None]):
    sheet.append(row)
for breaks, *others in warp.itertuples(index=False):
    sheet.append([f"1,{breaks:03d}", *others])
    if breaks == 26:
        sheet.append([])
book.create_sheet("Empty")
book.save(HERE / "openpyxl.xlsx")
warp.to_excel(HERE / "pandas.ods", index=False, engine="odf")
old = xlwt.Workbook().add_sheet("Sheet1")
for at, row in enumerate([list(warp.columns[:3]), *warp.iloc[:, :3].values.tolist()]):
    for column, value in enumerate(row):
        old.write(at, column, value)
old.parent.save(str(HERE / "xlwt.xls"))
warp.assign(day=pd.to_datetime(warp["day"])).to_feather(HERE / "pandas.feather")
warp.to_json(HERE / "pandas.jsonl", orient="records", lines=True)

# A workbook with a password (msoffcrypto-tool).
import msoffcrypto.format.ooxml  # noqa: E402

with (HERE.parents[2] / "sample_data" / "trees.xlsx").open("rb") as plain, (HERE / "protected.xlsx").open("wb") as out:
    msoffcrypto.format.ooxml.OOXMLFile(plain).encrypt("secret", out)
