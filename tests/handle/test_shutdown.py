"""shutdown and close: what drains, what wakes, what is given back."""

from __future__ import annotations

import gc
import threading
import time
import warnings

import pytest

import fastdivert as fd
from tests.handle.replaying import assert_balanced, replay
from tests.traffic import Sink, numbered, numbers, stamped, tcp


def test_shutdown_of_recv_drains_what_waits():
    with replay(numbered(6)) as handle:
        handle.send(handle.recv(2))
        handle.shutdown(fd.Shutdown.RECV)
        assert numbers(handle) == [2, 3, 4, 5]
        with pytest.raises(fd.ShutdownError, match="shut down"):
            handle.recv()


def test_after_shutdown_of_recv_one_can_send():
    sink = Sink()
    with replay(numbered(6), sink=sink) as handle:
        batch = handle.recv()
        handle.shutdown(fd.Shutdown.RECV)
        assert handle.send(batch) == 6
    assert sink.numbers == list(range(6))


def test_after_shutdown_of_send_one_can_receive():
    with replay(numbered(6)) as handle:
        handle.shutdown(fd.Shutdown.SEND)
        batch = handle.recv()
        with pytest.raises(fd.ShutdownError, match="sending"):
            handle.send(batch)
        assert not batch.released
        assert numbers(batch) == list(range(6))


def test_shutdown_is_of_both_by_default():
    with replay(numbered(6)) as handle:
        batch = handle.recv()
        handle.shutdown()
        with pytest.raises(fd.ShutdownError):
            handle.recv()
        with pytest.raises(fd.ShutdownError):
            handle.send(batch)


def test_one_direction_after_the_other_is_both():
    with replay(numbered(6)) as handle:
        handle.shutdown(fd.Shutdown.SEND)
        handle.shutdown(fd.Shutdown.RECV)
        with pytest.raises(fd.ShutdownError):
            handle.recv()
        with pytest.raises(fd.ShutdownError):
            handle.send(tcp())


@pytest.mark.parametrize("how", [0, 4, 8, -1, "recv", None])
def test_a_direction_that_does_not_exist_is_refused(how):
    with replay(numbered(6)) as handle:
        with pytest.raises((ValueError, TypeError)):
            handle.shutdown(how)
        assert len(handle.recv()) == 6


def test_packets_pass_a_handle_that_receives_no_more():
    sink = Sink()
    host = fd.Replay(numbered(6), sink=sink)
    with replay(host, priority=1) as deaf, replay(host) as low:
        deaf.shutdown(fd.Shutdown.RECV)
        for batch in low:
            low.send(batch)
    assert sink.numbers == list(range(6))


@pytest.mark.parametrize(
    ("end", "error"),
    [
        (lambda handle: handle.shutdown(fd.Shutdown.RECV), fd.ShutdownError),
        (lambda handle: handle.close(), fd.HandleClosedError),
    ],
)
def test_a_receiver_that_waits_is_woken(end, error):
    handle = replay(stamped(2, 10**15), pace=True)
    handle.recv()
    raised: list[BaseException] = []

    def wait() -> None:
        try:
            handle.recv()
        except BaseException as caught:
            raised.append(caught)

    threads = [threading.Thread(target=wait) for _ in range(3)]
    for thread in threads:
        thread.start()
    time.sleep(0.1)
    start = time.monotonic()
    end(handle)
    for thread in threads:
        thread.join(5)
    assert time.monotonic() - start < 1
    assert [type(caught) for caught in raised] == [error] * 3
    handle.close()
    raised.clear()


def test_close_is_idempotent():
    sink = Sink()
    handle = replay(numbered(6), sink=sink)
    for _ in range(3):
        handle.close()
    assert sink.closed == 1


@pytest.mark.parametrize(
    "use",
    [
        lambda handle: handle.recv(),
        lambda handle: handle.recv(timeout=0),
        lambda handle: handle.send(tcp()),
        lambda handle: handle.shutdown(),
        lambda handle: next(iter(handle)),
    ],
)
def test_a_closed_handle_cannot_be_used(use):
    handle = replay(numbered(6))
    handle.close()
    with pytest.raises(fd.HandleClosedError):
        use(handle)


def test_a_closed_handle_still_tells_what_it_did():
    handle = replay(numbered(6), queue_length=64)
    handle.recv(2).release()
    handle.close()
    assert_balanced(handle.stats())
    assert handle.get_param(fd.Param.QUEUE_LENGTH) == 64
    assert "true" in repr(handle)


def test_what_was_queued_goes_on_when_the_handle_closes():
    sink = Sink()
    handle = replay(numbered(100), sink=sink, queue_length=32)
    handle.recv(10).release()
    handle.close()
    assert sink.numbers == list(range(10, 100))


def test_what_was_sniffed_does_not_go_on_twice():
    sink = Sink()
    handle = replay(numbered(10), sink=sink, flags=fd.Flag.SNIFF)
    handle.recv(1)
    handle.close()
    assert sink.numbers == list(range(10))


def test_a_batch_can_be_read_after_its_handle_is_closed():
    handle = replay(numbered(10))
    batch = handle.recv()
    handle.close()
    del handle
    gc.collect()
    batch["ip.TTL"] = 3
    assert numbers(batch) == list(range(10))
    assert batch["ip.TTL"].tolist() == [3] * 10


def test_a_batch_cannot_be_sent_after_its_handle_is_closed():
    handle = replay(numbered(10))
    batch = handle.recv()
    handle.close()
    with pytest.raises(fd.HandleClosedError):
        handle.send(batch)
    assert not batch.released


def test_views_outlive_everything():
    handle = replay(numbered(10))
    batch = handle.recv()
    headers, payload = batch.headers, batch.payload(7)
    handle.close()
    del batch, handle
    gc.collect()
    canary = [numbered(100) for _ in range(20)]
    assert headers["sequence"].tolist() == list(range(10))
    assert payload.tolist() == [0, 0, 0, 7]
    payload[:] = 9
    assert payload.tolist() == [9] * 4
    assert all(numbers(batch) == list(range(100)) for batch in canary)


def test_an_error_in_the_context_closes_the_handle():
    sink = Sink()
    with pytest.raises(KeyError, match="ours"), replay(numbered(3), sink=sink):
        raise KeyError("ours")
    assert sink.closed == 1


def test_a_handle_that_is_forgotten_is_closed_with_a_warning():
    sink = Sink()
    handle = replay(numbered(3), sink=sink)
    handle.recv(1).release()
    with pytest.warns(ResourceWarning, match="unclosed <Handle 'true'"):
        del handle
        gc.collect()
    assert sink.closed == 1
    assert sink.numbers == [1, 2]


def test_a_handle_that_is_closed_warns_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        handle = replay(numbered(3))
        handle.close()
        del handle
        gc.collect()


def test_a_handle_that_could_not_be_opened_warns_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(fd.FilterError):
            replay(numbered(3), "nonsense")
        gc.collect()


def test_a_sink_that_fails_at_close_is_told_once():
    class Failing(Sink):
        def close(self) -> None:
            super().close()
            raise OSError("disk full")

    sink = Failing()
    handle = replay(numbered(3), sink=sink)
    with pytest.raises(OSError, match="disk full"):
        handle.close()
    handle.close()
    assert sink.closed == 1


def test_a_sink_that_fails_while_closing_gives_back_is_closed():
    class Failing(Sink):
        def write(self, batch: fd.Batch) -> None:
            raise OSError("disk full")

    sink = Failing()
    handle = replay(numbered(3), sink=sink)
    handle.recv(1).release()
    with pytest.raises(OSError, match="disk full"):
        handle.close()
    assert sink.closed == 1


def test_close_in_the_middle_of_an_iteration_raises_there():
    handle = replay(numbered(6))
    seen = []
    with pytest.raises(fd.HandleClosedError):
        for batch in handle:
            seen.append(len(batch))
            handle.close()
    assert seen == [6]
