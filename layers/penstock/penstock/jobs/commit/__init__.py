"""The function `commit`: makes the files of many small jobs visible with one commit for each table."""
