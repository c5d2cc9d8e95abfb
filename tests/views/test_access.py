from streamforest.program.interaction import page_access
from streamforest.program.options import OPTIONS
from streamforest.views.access import MOST_VISITORS, PageAccess
from tests.chosen import options_of


def test_without_a_wish_the_page_is_for_this_machine_and_for_as_many_as_the_option_says():
    assert page_access(options_of())._replace(is_private=True) == PageAccess(port=options_of().port)
    assert next(option.default for option in OPTIONS if option.name == "MOST_VISITORS") == MOST_VISITORS


def test_what_the_options_say_of_the_page_is_its_access(tmp_path):
    certificate, key = tmp_path / "a.pem", tmp_path / "a.key"
    options = options_of("--tls-cert", str(certificate), "--tls-key", str(key), "--base-url", "https://a.example/b")
    access = page_access(options)
    assert (access.tls, access.base_url) == ((certificate, key), "https://a.example/b")
