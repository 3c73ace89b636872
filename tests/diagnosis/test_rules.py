from gradtool.diagnosis.rules import Rules


def test_rules_are_the_modules_of_a_prefix_by_their_code():
    rules = Rules("gc3", lambda code, title, documentation, module: (title, module.__name__))
    assert list(rules) == [f"GC30{k}" for k in range(1, 9)]
    assert rules["GC305"] == ("forward is random", "gradtool.diagnosis.gc305_random_forward")
    assert len(rules) == 8
    assert "GC399" not in rules


def test_no_module_of_a_prefix_is_an_empty_mapping():
    assert dict(Rules("gc9", lambda *parts: parts)) == {}
