"""Files of jobs: `listed` reads which there are, `ledger` is the file of results that grows by a line a job."""
