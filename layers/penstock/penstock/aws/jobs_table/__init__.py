"""The jobs table in DynamoDB: one record per job."""
