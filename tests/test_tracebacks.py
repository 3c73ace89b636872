from gradtool.tracebacks import PACKAGE, user_traceback


def broken():
    raise ValueError("no such [bold]layer[/bold]")


def test_the_users_frames_and_the_message_are_kept():
    try:
        broken()
    except ValueError as error:
        text = user_traceback(error)
    assert "in broken" in text
    assert text.splitlines()[-1] == "ValueError: no such [bold]layer[/bold]"


def test_our_own_frames_are_left_out_also_in_causes():
    import gradtool
    from gradtool.verdict.caller import UserCodeError

    def forward(x):
        try:
            broken()
        except ValueError as error:
            raise RuntimeError("outer") from error

    text = gradtool.check(forward, forward, inputs=[1.0]).error
    assert "outer" in text
    assert "in broken" in text
    assert PACKAGE not in text
    assert UserCodeError.__name__ not in text
