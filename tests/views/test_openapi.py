import json
import re

import pytest

from streamforest.views.api import API_ROUTES
from streamforest.views.openapi import openapi, page_of

PLACE = "http://127.0.0.1:8787"


def test_the_document_has_each_route_and_method_there_is():
    document = openapi(PLACE)
    described = {(path, method) for path, methods in document["paths"].items() for method in methods}
    served = {
        (path, method)
        for path, kind in API_ROUTES.items()
        for method in ("get", "post")
        if method in vars(kind) or (method == "post" and hasattr(kind, "form"))
    }
    assert described == served - {("/openapi.json", "get"), ("/api", "get")}
    assert document["servers"] == [{"url": PLACE}]


def test_every_reference_leads_somewhere_and_it_is_json():
    document = openapi(PLACE)
    text = json.dumps(document, allow_nan=False)
    for name in re.findall(r'"#/components/schemas/(\w+)"', text):
        assert name in document["components"]["schemas"]


def test_the_document_is_valid_by_the_specification():
    validator = pytest.importorskip("openapi_spec_validator")
    validator.validate(openapi(PLACE))


def test_the_page_has_each_path_and_neither_script_nor_style_of_its_own():
    page = page_of(openapi(PLACE), "light")
    for path in openapi(PLACE)["paths"]:
        assert path in page
    assert "<script" not in page
    assert "style=" not in page
