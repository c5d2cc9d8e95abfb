"""The layout that a text is found to have, and what its columns are."""

from streamforest.reading.column_layout import Asked
from streamforest.reading.table_search import find_layout


def layout_of(text, is_last=False, **asked):
    found = find_layout(text.splitlines(), Asked(**asked), is_last)
    return found and found.layout


def roles_of(text, **asked):
    layout = layout_of(text, **asked)
    return layout.separator, layout.value, layout.time, layout.label
