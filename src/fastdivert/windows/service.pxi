# SPDX-License-Identifier: MIT

from cpython.unicode cimport PyUnicode_AsWideCharString, PyUnicode_FromWideChar
from cpython.mem cimport PyMem_Free
from libc.stddef cimport wchar_t

cdef extern from "windows/user/service.h" nogil:
    int fd_service_start(const wchar_t *driver_path, fd_failure *failure)
    int fd_service_remove(fd_failure *failure)
    int fd_service_query(wchar_t *path, uint32_t path_size, fd_failure *failure)

cdef enum:
    PATH_SIZE = 1024

_STATES = ("absent", "stopped", "running", "changing")


def start_service(str driver_path not None):
    """Installs the driver with this file, if it is not installed, and starts it."""
    cdef Py_ssize_t length
    cdef wchar_t *path = PyUnicode_AsWideCharString(driver_path, &length)
    cdef fd_failure failure
    cdef int result
    with nogil:
        result = fd_service_start(path, &failure)
    PyMem_Free(path)
    if result != 0:
        raise_failure(&failure)


def remove_service():
    """Stops the driver and removes its service; done if there is none."""
    cdef fd_failure failure
    cdef int result
    with nogil:
        result = fd_service_remove(&failure)
    if result != 0:
        raise_failure(&failure)


def query_service():
    """(state, file): "absent", "stopped", "running" or "changing"; what it is installed with."""
    cdef wchar_t path[PATH_SIZE]
    cdef fd_failure failure
    cdef int state
    with nogil:
        state = fd_service_query(path, PATH_SIZE, &failure)
    if state < 0:
        raise_failure(&failure)
    return _STATES[state], PyUnicode_FromWideChar(path, -1)
