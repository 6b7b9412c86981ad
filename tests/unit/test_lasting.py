"""What is loaded once is out of the garbage collector's sight, and what comes later is not."""

import gc

from gateway.lasting import keep_what_is_loaded


def test_the_collector_looks_at_what_came_later_alone():
    loaded = [[]]
    try:
        keep_what_is_loaded()
        later = [[]]
        seen = {id(one) for one in gc.get_objects()}
        assert id(loaded) not in seen
        assert id(later) in seen
    finally:
        gc.unfreeze()
