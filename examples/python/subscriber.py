#!/usr/bin/env python3
"""Reads the events of Waybill from RabbitMQ, and checks each against its schema.

    pip install pika cloudevents jsonschema
    python3 subscriber.py amqp://127.0.0.1 waybill.events http://127.0.0.1:8080

The arguments are the URL of RabbitMQ, the exchange (`/asyncapi.json` of command-api names it), and
the URL of command-api, which has the schemas. With `--until N` it ends after N different events, and
it gives up when none comes for a minute. Each event is one line of JSON on the output.

Events come at least once, those of one stream in their order: a version that was read before is
passed over. A message is acknowledged once its events are done.
"""

import argparse
import json
import urllib.parse
import urllib.request

import jsonschema
import pika
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

SILENCE_SECONDS = 60


class Schemas:
    """The schemas of events, each fetched once."""

    def __init__(self, command_api):
        self.command_api = command_api
        self.validators = {}

    def check(self, event):
        path = event.get_dataschema()
        if path not in self.validators:
            url = urllib.parse.urljoin(self.command_api, path)
            with urllib.request.urlopen(url, timeout=10) as answer:
                schema = json.load(answer)
            validator = jsonschema.Draft202012Validator
            formats = validator.FORMAT_CHECKER
            self.validators[path] = validator(schema, format_checker=formats)
        self.validators[path].validate(event.get_data())


def events_of(properties, body):
    """The events of a message, which is one event or an array of them."""
    messages = json.loads(body)
    match properties.content_type:
        case "application/cloudevents+json":
            messages = [messages]
        case "application/cloudevents-batch+json":
            pass
        case other:
            raise ValueError(f"a message is of the type {other!r}")
    # The format checks that each is an event of CloudEvents 1.0.
    return [JSONFormat().read(CloudEvent, json.dumps(message)) for message in messages]


class Reader:
    """Reads each event once, in the order of its stream."""

    def __init__(self, schemas):
        self.schemas = schemas
        # Of each stream the version that was read last; a program that must not forget them stores
        # them with what it makes of the events.
        self.versions = {}
        self.count = 0

    def read(self, event):
        # `sequence` is the version in the stream: 1, 2, 3, … without a gap.
        version, stream = int(event.get_extension("sequence")), event.get_subject()
        last = self.versions.get(stream)
        if last is not None and version <= last:
            return
        if last is not None and version != last + 1:
            raise ValueError(f"{stream}: version {version} after {last}")
        self.schemas.check(event)
        self.versions[stream] = version
        self.count += 1
        line = {"stream": stream, "version": version, "type": event.get_type()}
        print(json.dumps({**line, "data": event.get_data()}), flush=True)


def main():
    formatter = argparse.RawTextHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    parser.add_argument("rabbitmq")
    parser.add_argument("exchange")
    parser.add_argument("command_api")
    parser.add_argument("--until", type=int, help="end after so many events")
    arguments = parser.parse_args()
    reader = Reader(Schemas(arguments.command_api))
    connection = pika.BlockingConnection(pika.URLParameters(arguments.rabbitmq))
    channel = connection.channel()
    channel.basic_qos(prefetch_count=64)
    # A queue of its own, which the broker removes when this program ends. One that is to keep what
    # comes meanwhile is durable and has a name.
    queue = channel.queue_declare(queue="", exclusive=True).method.queue
    channel.queue_bind(queue, arguments.exchange)
    print(json.dumps({"subscribed": arguments.exchange}), flush=True)
    for method, properties, body in channel.consume(queue, inactivity_timeout=SILENCE_SECONDS):
        if method is None:
            raise TimeoutError(f"no message for {SILENCE_SECONDS} s, after {reader.count} events")
        for event in events_of(properties, body):
            reader.read(event)
        channel.basic_ack(method.delivery_tag)
        if arguments.until is not None and reader.count >= arguments.until:
            break
    connection.close()


if __name__ == "__main__":
    main()
