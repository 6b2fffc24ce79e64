"""`make demo`: sends real files through the deployed template and checks the results byte by byte."""
