"""How the page is written: what its scripts are, and what JSON in it looks like."""

import base64
import hashlib
import json
import re

from evenly import report, select_uniform
from evenly.reporting.page.render import as_json
from tests.support.encoders import TopicEncoder, texts_of

EVIL = "<script>alert(1)</script></script><!-- {{ 7*7 }} {% raw %} & ' \" \u2028"


def page_of(texts):
    encoder = TopicEncoder()
    chosen = select_uniform(texts, 5, encoder=encoder)
    return report(chosen, encoder=encoder, random_subsets=1).html


def test_json_can_stand_in_a_script_element():
    text = as_json({"text": EVIL})

    assert json.loads(text) == {"text": EVIL}
    assert not set("<>&\u2028") & set(text)


def test_texts_are_escaped_and_no_template():
    html = page_of([EVIL, *texts_of(20)])

    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;&lt;/script&gt;&lt;!-- {{ 7*7 }} {% raw %}" in html


def test_only_the_scripts_of_the_page_may_run():
    html = page_of(texts_of(20))
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', html)[1].replace("&#39;", "'")
    scripts = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)

    digests = [base64.b64encode(hashlib.sha256(one.encode()).digest()) for one in scripts]
    hashes = " ".join(f"'sha256-{digest.decode()}'" for digest in digests)
    assert f"script-src {hashes};" in policy
    assert policy.startswith("default-src 'none'; ")


def test_nothing_is_loaded():
    html = page_of(texts_of(20))
    markup = re.sub(r"<script.*?</script>|<style.*?</style>", "", html, flags=re.DOTALL)

    assert not re.search(r"\b(src|href)=\"(?!#)", markup)
    assert "url(" not in re.search(r"<style>(.*?)</style>", html, re.DOTALL)[1]
