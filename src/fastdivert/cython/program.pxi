# SPDX-License-Identifier: MIT
# A filter program that has been verified, and may therefore run.

_PROGRAM_FAULTS = {
    1: "the length is wrong",
    2: "there is no such layer",
    3: "the field does not exist at this layer",
    4: "there is no such operator",
    5: "a jump does not go forward to a test of the program",
    6: "the index is out of range",
    7: "the constant is not a sign and a magnitude",
    8: "a reserved word is not zero",
}


cdef class Program:
    """A verified struct fd_program. Raises FilterError for any other bytes."""

    cdef fd_program *program
    cdef readonly int layer
    cdef readonly int length

    def __cinit__(self, data):
        cdef Borrowed source = borrow(data, 8, False, "a filter program")
        cdef uint32_t test = 0
        cdef uint64_t size = source.buffer.len
        # A private copy, and room for the largest: nobody changes it after the check.
        self.program = <fd_program *>calloc(1, sizeof(fd_program))
        if self.program == NULL:
            raise MemoryError("no memory for a filter program")
        if size > sizeof(fd_program):
            raise FilterError(f"the program has {size} bytes, more than any program")
        memcpy(self.program, source.buffer.buf, size)
        fault = fd_program_verify(self.program, size, &test)
        if fault != FD_PROGRAM_OK:
            raise FilterError(f"the program is refused at test {test}: "
                              f"{_PROGRAM_FAULTS.get(<int>fault, 'unknown fault')}")
        self.layer = <int>self.program.layer
        self.length = <int>self.program.length

    def __dealloc__(self):
        free(self.program)
