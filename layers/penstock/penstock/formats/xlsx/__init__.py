"""XLSX workbooks."""
