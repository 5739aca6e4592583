from tests.leaks import frozen_heap, nothing_leaks

__all__ = ["frozen_heap", "nothing_leaks"]
