import json

import pytest

from streamforest.optional import MissingPackageError, optional


def test_a_package_that_is_there_is_imported():
    assert optional("json", "anything") is json
    assert optional("xml.dom", "anything").__name__ == "xml.dom"


@pytest.mark.parametrize("module", ["no_such_package", "no_such_package.part"])
def test_a_missing_one_is_named_with_the_command_that_installs_it(module):
    with pytest.raises(MissingPackageError) as caught:
        optional(module, "mqtt")
    assert str(caught.value) == (
        "mqtt needs no_such_package, which is not installed; "
        "run 'python -m pip install -r streamforest/requirements/mqtt.txt'"
    )


def test_what_a_package_lacks_itself_is_not_blamed_on_the_package(tmp_path, monkeypatch):
    (tmp_path / "half_installed.py").write_text("import no_such_package")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="no_such_package"):
        optional("half_installed", "mqtt")
