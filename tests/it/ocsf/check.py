"""Checks lines of OCSF events against the published schema: ocsf.py FILE VERSION. The package ocsf-json-schema has it."""

import json
import sys

import jsonschema
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

path, version = sys.argv[1:]
schema = OcsfJsonSchemaEmbedded(get_ocsf_schema(version))
validators, wrong, lines = {}, 0, 0
for lines, line in enumerate(open(path, encoding="utf-8"), 1):
    event = json.loads(line)
    uid = event["class_uid"]
    if uid not in validators:
        of_class = schema.get_class_schema(schema.lookup_class_name_from_uid(uid))
        validators[uid] = jsonschema.Draft202012Validator(of_class)
    if event["metadata"]["version"] != version:
        print(f"line {lines}: of version {event['metadata']['version']}")
        wrong += 1
    for error in validators[uid].iter_errors(event):
        print(f"line {lines} ({event['metadata'].get('event_code')}, class {uid}): {error.json_path}: {error.message[:200]}")
        wrong += 1
print(f"{lines} events, {len(validators)} classes, {wrong} errors")
sys.exit(1 if wrong or not lines else 0)
