# SPDX-License-Identifier: GPL-2.0-or-later
"""Follows GET /events of a daemon.

    with EventStream(daemon.sock) as stream:
        assert stream.next()["event"] == "hello"
        daemon.sock.post("/forwards", {...})
        assert stream.wait("revision")["data"]["number"] == 3
"""
import contextlib
import http.client
import json
import queue
import socket
import threading
import time

ANSWER_S = 10
END = None  # in the queue: the daemon has ended the stream


class EventStream:
    """Events as {"event", "id", "data"}, by a parser of its own (WHATWG HTML, "Server-sent events").

    `api` is an Api: its kind of connection and its headers are used. `status` is the answer's; with one that is
    not 200 there are no events, but `problem`. Nothing is read before the first event is asked for.
    """

    check = None  # is called with each event of every stream

    def __init__(self, api, path="/events", last_id=None, headers=None):
        self._connection = api._connect()
        headers = {**api.headers, **(headers or {})}
        if last_id is not None:
            headers["Last-Event-ID"] = str(last_id)
        self._connection.request("GET", "/api/v1" + path, None, headers)
        self.socket = self._connection.sock  # the answer's alone, if it ends with the connection
        self._answer = self._connection.getresponse()
        self.status = self._answer.status
        self.headers = self._answer.headers
        self.problem = json.loads(self._answer.read()) if self.status != 200 else None
        self.socket.settimeout(None)
        self.comments = 0
        self.retry_ms = None
        self.last_id = None
        self._fields = {}
        self._queue = queue.Queue()
        self._thread = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        if self._thread:
            self._thread.join()
        self._answer.close()
        self._connection.close()

    # --- events ---

    def poll(self, timeout):
        """The next event. Fails if the stream ends; queue.Empty if nothing comes in time."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._read, daemon=True)
            self._thread.start()
        event = self._queue.get(timeout=max(timeout, 0.001))
        if isinstance(event, BaseException):
            raise event
        assert event is not END, "the stream has ended"
        return event

    def next(self, timeout=ANSWER_S):
        try:
            return self.poll(timeout)
        except queue.Empty:
            raise AssertionError(f"no event within {timeout} s") from None

    def wait(self, name, condition=lambda data: True, timeout=ANSWER_S):
        """Skips what is not an event of that name for which `condition` holds."""
        end = time.monotonic() + timeout
        while True:
            event = self.next(end - time.monotonic())
            if event["event"] == name and condition(event["data"]):
                return event

    def quiet(self, seconds):
        """Asserts that nothing comes for a while."""
        try:
            event = self.poll(seconds)
        except queue.Empty:
            return
        raise AssertionError(f"unexpected: {event}")

    def wait_end(self, timeout=ANSWER_S):
        """The events until the daemon ends the stream."""
        events, end = [], time.monotonic() + timeout
        while True:
            try:
                events.append(self.poll(end - time.monotonic()))
            except AssertionError:
                return events
            except queue.Empty:
                raise AssertionError(f"the stream has not ended within {timeout} s") from None

    # --- reading ---

    def _read(self):
        try:
            for line in self._answer:
                self._line(line.decode().removesuffix("\n"))
        except (OSError, ValueError, AttributeError, http.client.HTTPException):
            pass  # cut off, by either side
        except BaseException as error:  # goes to who asks for events
            self._queue.put(error)
        self._queue.put(END)

    def _line(self, line):
        if line.startswith(":"):
            self.comments += 1
        elif line:
            name, _, value = line.partition(":")
            assert name in ("event", "id", "data", "retry"), line
            assert name not in self._fields, f"{name} twice in one event: each has one line of data"
            self._fields[name] = value.removeprefix(" ")
        elif self._fields:
            self._dispatch()

    def _dispatch(self):
        fields, self._fields = self._fields, {}
        if "retry" in fields:
            self.retry_ms = int(fields.pop("retry"))
        if not fields:
            return
        event = {"event": fields["event"], "id": int(fields["id"]), "data": json.loads(fields["data"])}
        assert self.last_id is None or event["id"] == self.last_id + 1 or event["event"] == "hello", \
            f"{event} after {self.last_id}"
        self.last_id = event["id"]
        if EventStream.check:
            EventStream.check(event)
        self._queue.put(event)
