"""What a process loads once and keeps until its end: nothing for the garbage collector to look at.

More than a hundred thousand objects lie there, and the collector would go through all of them again
and again while messages come and go.
"""

import gc


def keep_what_is_loaded() -> None:
    """Take all that is there out of the collector's sight; to be called once, when all is loaded.

    What is thrown away later all the same stays in memory, if it refers to itself.
    """
    gc.collect()
    gc.freeze()
