"""A limit: as many parts as a file would have, of the same size, sent by ten threads and nothing else.

python upload_parts.py BYTES BUCKET KEY
"""

import sys
from concurrent.futures import ThreadPoolExecutor

import boto3
from botocore.config import Config

THREADS = 10
PART = bytes(8 * 1024 * 1024)


def main() -> None:
    size, bucket, key = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    config = Config(
        max_pool_connections=THREADS,
        request_checksum_calculation="when_required",
        s3={"payload_signing_enabled": False},
    )
    s3 = boto3.client("s3", config=config)
    upload = s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]

    def send(number: int) -> str:
        body = PART[: size - (number - 1) * len(PART)]
        return s3.upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=number, Body=body)["ETag"]

    numbers = range(1, -(-size // len(PART)) + 1)
    with ThreadPoolExecutor(THREADS) as threads:
        etags = list(threads.map(send, numbers))
    s3.complete_multipart_upload(
        Bucket=bucket,
        Key=key,
        UploadId=upload,
        MultipartUpload={
            "Parts": [{"PartNumber": number, "ETag": etag} for number, etag in zip(numbers, etags, strict=True)]
        },
    )


if __name__ == "__main__":
    main()
