"""Lines with the time, to the log that the cluster script keeps."""

import datetime


def log(*words):
    print(datetime.datetime.now().strftime("%H:%M:%S.%f")[:-3], *words, flush=True)
