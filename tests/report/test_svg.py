"""A picture is well-formed, small, true to its points, and takes no harm from a name."""

import re
from pathlib import Path
from xml.etree import ElementTree as ET

from charrnn.report.plot import Curves
from charrnn.report.svg import _COLOURS, as_svg
from charrnn.report.terminal import describe_loss
from tests.browser import Browser
from tests.report.test_drawing import STEPS, falling

SVG = "{http://www.w3.org/2000/svg}"


def parse(*curves: Curves) -> ET.Element:
    return ET.fromstring(as_svg(list(curves)))  # noqa: S314 - our own


def points(line: ET.Element) -> list[tuple[float, float]]:
    pairs = [pair.split(",") for pair in line.attrib["points"].split()]
    return [(float(x), float(y)) for x, y in pairs]


def test_each_run_has_a_line_for_each_of_its_curves() -> None:
    picture = parse(falling("one"), falling("two", 2.0))
    kinds = [line.attrib["class"] for line in picture.iter(f"{SVG}polyline")]
    assert sorted(kinds) == sorted(
        [f"{kind} run{run}" for run in (0, 1) for kind in ("training", "held", "training", "training")]
    )


def test_lines_go_from_left_to_right_and_lower_losses_lie_lower() -> None:
    picture = parse(falling("one", 1.0), falling("two", 2.0))
    one, two = (line for line in picture.iter(f"{SVG}polyline") if line.attrib["class"].startswith("held"))
    for line in (one, two):
        xs = [x for x, _ in points(line)]
        assert xs == sorted(xs)
    assert all(better > worse for (_, better), (_, worse) in zip(points(one), points(two), strict=True))


def test_every_evaluation_tells_its_figures_and_the_best_is_marked() -> None:
    run = falling()
    picture = parse(run)
    told = [title.text for circle in picture.iter(f"{SVG}circle") for title in circle.iter(f"{SVG}title")]
    figures = [f"step {step:,}: {describe_loss(loss)}" for step, loss in run.held_out]
    assert told == [*figures, figures[-1]]
    best = [circle for circle in picture.iter(f"{SVG}circle") if circle.attrib["class"] == "best run0"]
    assert len(best) == 1


def test_a_long_run_makes_no_large_picture() -> None:
    steps = range(1, 100_000)
    long = Curves("long", training=[(step, 1 / step) for step in steps], grad_norm=[(step, 1.0) for step in steps])
    assert len(as_svg([long])) < 20_000


def test_a_name_is_text_and_never_markup() -> None:
    name = '</title><script>alert("&")</script>\x1b\x00\ufffe\u202e'
    picture = parse(falling(name))
    assert not list(picture.iter(f"{SVG}script"))
    shown = next(span.text for span in picture.iter(f"{SVG}tspan"))
    assert shown
    assert "<script>" in shown
    assert shown.isprintable()


def test_light_and_dark_have_a_colour_for_each_run_that_stands_out_from_the_ground() -> None:
    def luminance(colour: str) -> float:
        channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    def contrast(one: str, other: str) -> float:
        darker, lighter = sorted([luminance(one), luminance(other)])
        return (lighter + 0.05) / (darker + 0.05)

    text = as_svg([falling()]).decode()
    light, dark = re.findall(r"\.ground[^{]*{ fill: (#\w{6}) }", text)
    for on_light, on_dark in _COLOURS:
        assert contrast(on_light, light) >= 4.5
        assert contrast(on_dark, dark) >= 4.5
    assert text.index("prefers-color-scheme: dark") < text.index(dark)


def test_runs_beyond_the_colours_have_them_again() -> None:
    picture = as_svg([falling(str(number)) for number in range(len(_COLOURS) + 1)]).decode()
    assert picture.count(f".run0 {{ color: {_COLOURS[0][0]} }}") == 1
    assert f".run{len(_COLOURS)} {{ color: {_COLOURS[0][0]} }}" in picture


def test_runs_that_know_little_are_drawn_as_far_as_they_go() -> None:
    for run in (
        Curves("held out alone", held_out=[(500, 2.0), (1000, 1.0)]),
        Curves("one step", training=[(1, 2.0)]),
        Curves("wild", training=[(step, (-1) ** step * 1e200) for step in STEPS]),
    ):
        assert parse(run) is not None
        assert not re.search(r"nan|inf\b", as_svg([run]).decode())


def test_a_browser_draws_it(browser: Browser) -> None:
    Path("loss.svg").write_bytes(as_svg([falling()]))
    browser.open(Path("loss.svg"))
    browser.screenshot(Path("loss.png"))
    assert Path("loss.png").stat().st_size > 10_000
    assert browser.troubles == []
