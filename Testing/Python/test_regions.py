"""The table of regions is complete, and other systems know the names in it."""

from __future__ import annotations

import pytest

from reg2rg.errors import InputError
from reg2rg.regions import REGION_NAMES, REGIONS, get_region, in_reading_order


def test_names_are_the_published_ones_in_published_order() -> None:
    assert ", ".join(REGION_NAMES) == (
        "abdomen, bone, breast, esophagus, heart, lung, mediastinum, pleura, thyroid, trachea and bronchie"
    )


def test_reading_order_starts_with_the_lungs_and_ends_with_the_abdomen() -> None:
    order = [region.name for region in in_reading_order(REGION_NAMES)]
    assert order == ["lung", "trachea and bronchie", "pleura", "mediastinum", "heart",
                     "esophagus", "thyroid", "breast", "bone", "abdomen"]  # fmt: skip


def test_colors_codes_names_and_positions_are_unique() -> None:
    for attribute in ("color", "snomed", "display_name", "reading_order"):
        assert len({getattr(region, attribute) for region in REGIONS}) == len(REGIONS)


def test_structures_are_classes_of_totalsegmentator() -> None:
    pytest.importorskip("totalsegmentator", reason="TotalSegmentator is not installed")
    from reg2rg.runtime.third_party import declare_torchvision_ops

    declare_torchvision_ops()
    from totalsegmentator.map_to_binary import class_map

    for region in REGIONS:
        for task, names in region.structures.items():
            assert set(names) <= set(class_map[task].values()), region.name


def test_an_unknown_region_is_rejected_with_a_list_of_the_known_ones() -> None:
    with pytest.raises(InputError, match="Unknown region 'spleen'; expected one of: abdomen, bone"):
        get_region("spleen")
