Formula      y ~ x
Family       gaussian, identity link
Data         /tmp/h2/tmpqrzoosjt/data.csv: 12 of 12 rows used
Dispersion   0.81645 (Pearson)
Std. errors  observed information (hessian)

           Estimate  Std. Error  t value  Pr(>|t|)    2.5 %  97.5 %
-------------------------------------------------------------------
Intercept    0.6925      0.4600    1.505    0.1632  -0.3326  1.7175
x            1.0517      0.2972    3.538    0.0054   0.3894  1.7139

Log-likelihood  -14.7166  (3 parameters)  Null deviance  18.3867  on 11 df
AIC              35.4332                  Deviance        8.1645  on 10 df
BIC              36.8879                  Pearson chi2    8.1645  on 10 df

Converged: newton, 2 iterations, largest gradient component 1.9e-31
