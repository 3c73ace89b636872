from gradtool.report.codes import TITLES


def test_titles_are_short_phrases():
    for code, title in TITLES.items():
        assert title == title.strip().rstrip("."), code
        assert len(title) < 90
    assert len(set(TITLES.values())) == len(TITLES)
    assert {f"GC{number}" for number in (*range(101, 121), 199, *range(301, 309))} == {*TITLES} - {"UNDECIDED"}
