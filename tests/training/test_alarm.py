"""A loss that explodes is told once."""

import math

from charrnn.training.run import Alarm


def test_it_rings_once_at_three_times_the_first_loss() -> None:
    alarm = Alarm(blind_loss=3.0)
    assert [alarm.rings(loss) for loss in (4.0, 3.5, 12.0, 12.1, 50.0)] == [False, False, False, True, False]


def test_a_run_that_starts_low_is_measured_by_guessing() -> None:
    alarm = Alarm(blind_loss=3.0)
    assert [alarm.rings(loss) for loss in (0.1, 1.0, 9.0, 9.1)] == [False, False, False, True]


def test_a_text_of_one_character_and_a_loss_that_is_no_number_ring_nothing() -> None:
    alarm = Alarm(blind_loss=0.0)
    assert not any(alarm.rings(loss) for loss in (0.0, 0.0, math.nan))
