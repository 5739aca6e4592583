# SPDX-License-Identifier: MIT
# An event of Windows that stays set until it is reset, and the two ways to wait
# for some: in this thread, so that Ctrl-C ends it; and in an event loop, where
# the system's thread pool waits and calls back. A pool thread waits for up to 63
# events, so no thread is spent on each waiter, and any loop will do: the
# proactor's own way to wait for a handle is private to asyncio.

from cpython.exc cimport PyErr_CheckSignals
from cpython.ref cimport Py_DECREF, Py_INCREF

import sys
import threading

cdef extern from "windows.h" nogil:
    ctypedef void *HANDLE
    ctypedef void *HMODULE
    ctypedef unsigned long DWORD  # 32 bits
    ctypedef int BOOL
    ctypedef unsigned char BOOLEAN
    ctypedef void *PVOID
    HANDLE INVALID_HANDLE_VALUE
    DWORD INFINITE, WAIT_FAILED, WT_EXECUTEONLYONCE
    HANDLE CreateEventW(void *security, BOOL manual, BOOL state, const void *name)
    BOOL SetEvent(HANDLE event)
    BOOL ResetEvent(HANDLE event)
    BOOL CloseHandle(HANDLE handle)
    DWORD WaitForMultipleObjects(DWORD count, const HANDLE *handles, BOOL every, DWORD timeout)
    BOOL RegisterWaitForSingleObject(HANDLE *wait, HANDLE object, void (*callback)(PVOID, BOOLEAN)
                                     noexcept, PVOID context, DWORD timeout, DWORD flags)
    BOOL UnregisterWaitEx(HANDLE wait, HANDLE completion)
    DWORD GetLastError()
    void *GetProcAddress(HMODULE module, const char *name)

cdef enum:
    EVENTS_MOST = 8
    LONGEST_WAIT = 1 << 30  # milliseconds; whoever waits then waits again
    LOOK = 250              # the main thread looks so often for other signals than Ctrl-C

ctypedef HANDLE (*event_function)() noexcept

# CPython sets this event when Ctrl-C comes; time.sleep waits for it too. It is in
# no stable interface: without it Ctrl-C is noticed within LOOK milliseconds.
cdef HANDLE _interrupt = NULL


cdef void find_interrupt() noexcept:
    global _interrupt
    cdef HMODULE python = <HMODULE><size_t>sys.dllhandle
    cdef event_function find = <event_function>GetProcAddress(python, b"_PyOS_SigintEvent")
    if find != NULL:
        _interrupt = find()


find_interrupt()


@cython.no_gc
cdef class Event:
    """A manual-reset event."""

    cdef HANDLE handle
    cdef object owner  # of the handle; None: we are

    def __cinit__(self):
        self.handle = CreateEventW(NULL, True, False, NULL)
        if self.handle == NULL:
            raise DriverError("system", GetLastError(), "no event can be made")

    def __dealloc__(self):
        if self.handle != NULL and self.owner is None:
            CloseHandle(self.handle)

    def set(self):
        """Ends every wait for it, until it is reset."""
        SetEvent(self.handle)

    def reset(self):
        """Makes it waited for again."""
        ResetEvent(self.handle)


cdef Event borrowed_event(HANDLE handle, object owner):
    cdef Event event = Event.__new__(Event)
    CloseHandle(event.handle)
    event.handle = handle
    event.owner = owner
    return event


cdef double milliseconds(object timeout) except -1:
    return LONGEST_WAIT if timeout is None else min(timeout * 1000.0 + 0.999, LONGEST_WAIT)


def wait(events, timeout=None):
    """Until one of events is set, or for timeout seconds, or not so long.

    In the main thread handlers of signals run meanwhile; what they raise ends it.
    """
    cdef HANDLE handles[EVENTS_MOST + 1]
    cdef DWORD count = 0
    cdef DWORD result
    cdef DWORD patience = <DWORD>milliseconds(timeout)
    cdef bint main = threading.current_thread() is threading.main_thread()
    for event in events:
        if count == EVENTS_MOST:
            raise ValueError(f"more than {EVENTS_MOST} events")
        handles[count] = (<Event?>event).handle
        count += 1
    if main:
        patience = min(patience, <DWORD>LOOK)
        if _interrupt != NULL:
            # First the reset, then the look: a Ctrl-C from now on sets it again.
            ResetEvent(_interrupt)
            handles[count] = _interrupt
            count += 1
        PyErr_CheckSignals()
    with nogil:
        result = WaitForMultipleObjects(count, handles, False, patience)
    if result == WAIT_FAILED:
        raise DriverError("system", GetLastError(), "waiting failed")
    if main:
        PyErr_CheckSignals()


cdef void on_event(PVOID context, BOOLEAN timed_out) noexcept with gil:
    cdef Watch watch = <Watch>context
    try:
        watch.callback()
    except Exception:
        pass  # the loop has ended meanwhile: nobody waits any more


@cython.no_gc_clear
cdef class Watch:
    """Calls callback once, in a thread of the system's, when the event is set. close() it."""

    cdef HANDLE registration
    cdef Event event
    cdef object callback

    def __init__(self, Event event not None, callback):
        cdef HANDLE registration = NULL
        cdef BOOL good
        self.event = event
        self.callback = callback
        with nogil:
            good = RegisterWaitForSingleObject(&registration, event.handle, on_event,
                                               <PVOID>self, INFINITE, WT_EXECUTEONLYONCE)
        if not good:
            raise DriverError("system", GetLastError(), "an event cannot be watched")
        self.registration = registration
        Py_INCREF(self)  # the registration's

    def close(self):
        """Ends it; waits for a call that is under way. Idempotent."""
        cdef HANDLE registration = self.registration
        self.registration = NULL
        if registration != NULL:
            with nogil:
                UnregisterWaitEx(registration, INVALID_HANDLE_VALUE)
            Py_DECREF(self)
