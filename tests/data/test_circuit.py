from data.circuit import Circuit


class Clock:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_who_was_never_asked_may_be_asked() -> None:
    assert Circuit(60, Clock()).refusal() is None


def test_who_did_not_answer_is_left_alone_for_a_while_and_then_asked_again() -> None:
    clock = Clock()
    circuit = Circuit(60, clock)
    circuit.failed("it hangs")
    assert circuit.refusal() == "it hangs; not asked again for 60 s"
    clock.now += 59
    assert circuit.refusal() == "it hangs; not asked again for 1 s"
    clock.now += 1
    assert circuit.refusal() is None


def test_who_does_not_answer_again_is_left_alone_again() -> None:
    clock = Clock()
    circuit = Circuit(60, clock)
    circuit.failed("it hangs")
    clock.now += 60
    circuit.failed("it still hangs")
    clock.now += 30
    assert circuit.refusal() == "it still hangs; not asked again for 30 s"
