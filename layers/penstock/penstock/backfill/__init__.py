"""`penstock backfill`: sends the objects that a bucket already has to a stack, as S3 would have when they came."""
