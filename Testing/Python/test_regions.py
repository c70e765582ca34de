"""The table of regions is complete and says what other systems call them."""

from __future__ import annotations

import pytest

from reg2rg.errors import InputError
from reg2rg.regions import REGION_NAMES, REGIONS, get_region, in_reading_order


def test_names_are_the_published_ones_in_their_order():
    assert ", ".join(REGION_NAMES) == (
        "abdomen, bone, breast, esophagus, heart, lung, mediastinum, pleura, thyroid, trachea and bronchie"
    )


def test_reading_order_begins_with_the_lungs_and_ends_with_the_abdomen():
    order = [region.name for region in in_reading_order(REGION_NAMES)]
    assert order == ["lung", "trachea and bronchie", "pleura", "mediastinum", "heart",
                     "esophagus", "thyroid", "breast", "bone", "abdomen"]  # fmt: skip


def test_colours_codes_and_names_tell_regions_apart():
    for attribute in ("color", "snomed", "display_name", "reading_order"):
        assert len({getattr(region, attribute) for region in REGIONS}) == len(REGIONS)


def test_structures_are_classes_of_totalsegmentator():
    pytest.importorskip("totalsegmentator", reason="TotalSegmentator is not installed")
    from reg2rg.runtime.third_party import declare_torchvision_ops

    declare_torchvision_ops()
    from totalsegmentator.map_to_binary import class_map

    for region in REGIONS:
        for task, names in region.structures.items():
            assert set(names) <= set(class_map[task].values()), region.name


def test_an_unknown_region_is_refused_with_the_names_there_are():
    with pytest.raises(InputError, match="'spleen'. Regions are: abdomen, bone"):
        get_region("spleen")
