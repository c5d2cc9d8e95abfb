import inspect

from streamforest.program.watch import Watch
from streamforest.views.watched import Watched


def test_what_keeps_the_user_in_touch_is_what_views_show():
    taken = inspect.signature(Watch.__init__).parameters
    assert {*Watched.__annotations__} <= {*taken}
    for name in ("snapshot", "report"):
        assert callable(getattr(Watch, name))
