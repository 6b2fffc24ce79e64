"""`make demo`: real files through the deployed template, watched and then checked byte by byte."""
