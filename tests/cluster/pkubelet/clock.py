"""Times as the API writes them."""

import datetime


def now():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def now_in_microseconds():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def seconds(text):
    """Seconds since 1970 of a time of the API."""
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def nanoseconds_text(timestamp):
    """A timestamp as kubectl logs --timestamps shows it."""
    moment = datetime.datetime.fromtimestamp(timestamp, datetime.timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f000Z")
