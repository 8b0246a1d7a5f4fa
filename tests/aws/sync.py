"""Uploads a repository's folder to a bucket, so that readers never find a whole that does not belong together.

usage: sync.py ENDPOINT BUCKET FOLDER

The order is the point: archives first, then the metadata that names them, what makes them be offered last
(`metadata/timestamp.json`, `index.json`), and only then what is offered no more goes. Files whose size and digest the
bucket has already are left alone, as `aws s3 sync` does it.
"""

import hashlib
import json
import os
import sys

import boto3

LAST = ("index.json", "metadata/timestamp.json")


def files(folder):
    for directory, directories, names in os.walk(folder):
        directories[:] = [name for name in directories if not name.startswith(".")]
        for name in names:
            if not name.startswith("."):
                yield os.path.relpath(os.path.join(directory, name), folder)


def rank(key):
    return 0 if key.startswith("packages/") else 2 + LAST.index(key) if key in LAST else 1


def policy(bucket):
    """Whoever knows its name may read a file; nobody may list them."""
    return {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}]}


def main(endpoint, bucket, folder):
    s3 = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1",
                      aws_access_key_id="test", aws_secret_access_key="test")
    if bucket not in (found["Name"] for found in s3.list_buckets()["Buckets"]):
        s3.create_bucket(Bucket=bucket)
        s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy(bucket)))
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    there = {found["Key"]: found["ETag"].strip('"') for page in pages for found in page.get("Contents", [])}
    wanted = sorted(files(folder), key=lambda key: (rank(key), key))
    for key in wanted:
        path = os.path.join(folder, key)
        with open(path, "rb") as file:
            digest = hashlib.md5(file.read(), usedforsecurity=False).hexdigest()
        if there.get(key) != digest:
            s3.upload_file(path, bucket, key)
            print("uploaded", key)
    for key in sorted(set(there) - set(wanted)):
        s3.delete_object(Bucket=bucket, Key=key)
        print("deleted", key)


if __name__ == "__main__":
    main(*sys.argv[1:])
