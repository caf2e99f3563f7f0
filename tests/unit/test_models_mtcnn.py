"""The face finder: exact in parts, on pictures of any size, without the wheel's package."""

from __future__ import annotations

import sys
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from anysize.core.errors import BundleError, ConfigurationError
from anysize.models import face_finder, mtcnn
from anysize.models.face_finder import FaceFinder, squared, suppress
from anysize.models.mtcnn import INSTALL, MissingWheelError, MtcnnConfig, MtcnnModel, pretrained
from anysize.readers.image import Image
from anysize.windows.faces import Face


def untrained(**settings: object) -> MtcnnModel:
    torch.manual_seed(0)
    return MtcnnModel(MtcnnConfig(**settings)).eval()


@pytest.fixture(scope="module")
def finder() -> FaceFinder:
    if find_spec("facenet_pytorch") is None:
        pytest.skip(f"needs the face finder's weights: {INSTALL}")
    return FaceFinder(pretrained())


def portrait() -> np.ndarray:
    """A public-domain photograph with one face, about 100 pixels wide, at (175…270, 65…190)."""
    from skimage import data

    return data.astronaut()


def test_each_window_of_the_first_net_depends_on_its_pixels_alone() -> None:
    net = untrained().proposal
    picture = torch.randn(1, 3, 41, 30, generator=torch.Generator().manual_seed(1))
    probability, shift = net(picture)
    assert probability.shape == (1, 15, 10) and shift.shape == (1, 4, 15, 10)
    for row, column in ((0, 0), (3, 7), (14, 9)):
        window = picture[:, :, 2 * row : 2 * row + 12, 2 * column : 2 * column + 12]
        one, moved = net(window)
        torch.testing.assert_close(one[0, 0, 0], probability[0, row, column])
        torch.testing.assert_close(moved[0, :, 0, 0], shift[0, :, row, column])


def test_a_step_of_the_pyramid_in_parts_equals_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    model = untrained(thresholds=(0.01, 0.5, 0.5))
    pixels = np.random.default_rng(0).integers(0, 256, (97, 130, 3), dtype=np.uint8)
    with torch.inference_mode():
        whole = FaceFinder(model).proposals(pixels)
        monkeypatch.setattr(face_finder, "CELLS", 7)
        parts = FaceFinder(model).proposals(pixels)
    assert len(whole) == 43 * 60
    order = [np.lexsort(found.T) for found in (whole, parts)]
    np.testing.assert_allclose(parts[order[1]], whole[order[0]], atol=1e-4)


def test_nets_take_crops_of_their_size() -> None:
    model = untrained()
    probability, shift, points = model.refine(torch.zeros(3, 3, 24, 24))
    assert probability.shape == (3,) and shift.shape == (3, 4) and points is None
    probability, shift, points = model.output(torch.zeros(3, 3, 48, 48))
    assert points is not None and points.shape == (3, 5, 2)


boxes = st.lists(
    st.tuples(*[st.integers(0, 30)] * 2, *[st.integers(1, 20)] * 2, st.integers(0, 100)),
    min_size=1,
    max_size=20,
)


@settings(max_examples=100, deadline=None)
@given(boxes, st.sampled_from([0.3, 0.5, 0.7]), st.booleans())
def test_suppression_equals_its_definition(
    drawn: list[tuple[int, ...]], most: float, smaller: bool
) -> None:
    found = np.array([[x, y, x + w, y + h, s / 100] for x, y, w, h, s in drawn], np.float32)
    kept: list[int] = []
    for place in np.argsort(-found[:, 4], kind="stable"):
        box = found[place]

        def overlap(other: np.ndarray, box: np.ndarray = box) -> float:
            across = min(box[2], other[2]) - max(box[0], other[0])
            down = min(box[3], other[3]) - max(box[1], other[1])
            common = max(across, 0) * max(down, 0)
            first, second = ((b[2] - b[0]) * (b[3] - b[1]) for b in (box, other))
            return common / (min(first, second) if smaller else first + second - common)

        if all(overlap(found[other]) <= most for other in kept):
            kept.append(int(place))
    assert suppress(found, most, smaller=smaller).tolist() == kept


def test_squares_keep_centre_and_longer_side() -> None:
    grown = squared(np.array([[0, 10, 20, 50, 0.9]], np.float32))
    np.testing.assert_allclose(grown, [[-10, 10, 30, 50, 0.9]])


def inside(face: Face, left: float, top: float, side: float) -> bool:
    x, y = (face.box[0] + face.box[2]) / 2, (face.box[1] + face.box[3]) / 2
    return left < x < left + side and top < y < top + side


def test_a_face_and_its_landmarks_are_found(finder: FaceFinder) -> None:
    faces = finder.find(Image.from_pixels(portrait()))
    assert len(faces) == 1
    face = faces[0]
    assert face.score > 0.99 and inside(face, 195, 85, 55)
    assert face.landmarks is not None
    left_eye, right_eye, nose, left_mouth, right_mouth = face.landmarks
    assert left_eye[0] < nose[0] < right_eye[0]
    assert max(left_eye[1], right_eye[1]) < nose[1] < min(left_mouth[1], right_mouth[1])
    assert "facenet_pytorch" not in sys.modules


def test_a_picture_without_a_face_has_none(finder: FaceFinder) -> None:
    assert finder.find(Image.from_pixels(np.full((200, 300, 3), 90, np.uint8))) == []
    assert finder.find(Image.from_pixels(np.zeros((5, 8, 3), np.uint8))) == []


def test_faces_of_large_pictures_are_found_once_small_and_large(
    finder: FaceFinder, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What is "large" is made small, so that the test is quick: 1.3 megapixels are searched as
    # the whole shrunk to a tenth, and in tiles of 1,024 pixels.
    monkeypatch.setattr(face_finder, "WORKING_PIXELS", 130_000)
    canvas = np.full((1000, 1300, 3), 120, np.uint8)
    canvas[400:912, 700:1212] = portrait()
    small = Image.from_pixels(portrait()).resized(160, 160)
    canvas[100:260, 950:1110] = small  # near the border of two tiles
    canvas[700:860, 100:260] = small
    faces = finder.find(Image.from_pixels(canvas))
    assert len(faces) == 3
    assert inside(faces[0], 895, 485, 55)
    assert sum(inside(face, 1010, 126, 19) for face in faces) == 1
    assert sum(inside(face, 160, 726, 19) for face in faces) == 1


def test_a_saved_finder_finds_the_same(finder: FaceFinder, tmp_path) -> None:  # type: ignore[no-untyped-def]
    pretrained().save_pretrained(tmp_path)
    again = FaceFinder(MtcnnModel.from_pretrained(tmp_path).eval())
    image = Image.from_pixels(portrait())
    assert again.find(image) == finder.find(image)


def test_a_missing_wheel_is_named_with_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mtcnn, "find_spec", lambda name: None)
    with pytest.raises(MissingWheelError, match="--no-deps"):
        pretrained()


def test_a_pickle_in_place_of_weights_is_refused(
    tmp_path,
    monkeypatch: pytest.MonkeyPatch,  # type: ignore[no-untyped-def]
) -> None:
    class Harmful:
        def __reduce__(self) -> tuple:
            return print, ("executed",)

    torch.save({"conv1.weight": Harmful()}, tmp_path / "pnet.pt")
    monkeypatch.setattr(mtcnn, "weights_folder", lambda: tmp_path)
    with pytest.raises(BundleError, match=r"pnet\.pt"):
        pretrained()


def test_bad_settings_are_named_together() -> None:
    with pytest.raises(ConfigurationError) as caught:
        MtcnnConfig(thresholds=(0.5, 2.0, 0.5), shrink=1.0, smallest=3)
    assert len(caught.value.problems) == 3
