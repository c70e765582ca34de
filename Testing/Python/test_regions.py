"""The table of regions is complete, and other systems know the names in it."""

from __future__ import annotations

import pytest

from reg2rg.errors import InputError
from reg2rg.regions import REGION_NAMES, REGIONS, get_region, in_reading_order, region_of_structure


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


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("Lungs", "lung"),
        ("LUNG", "lung"),
        ("Trachea and bronchi", "trachea and bronchie"),
        ("trachea_and_bronchi", "trachea and bronchie"),
        ("Bronchi and trachea", "trachea and bronchie"),
        ("airways", "trachea and bronchie"),
        ("Oesophagus", "esophagus"),
        ("Bones", "bone"),
        (" breasts ", "breast"),
        ("Thyroid gland", "thyroid"),
    ],
)
def test_a_region_is_known_by_the_name_that_is_shown_and_by_common_spellings(spelling: str, name: str) -> None:
    assert get_region(spelling).name == name


def test_every_name_that_is_shown_or_coded_leads_back_to_its_region() -> None:
    for region in REGIONS:
        for name in (region.name, region.display_name, region.display_name.upper(), region.snomed[1]):
            assert get_region(name) is region
        assert region_of_structure("anything", region.snomed[0]) is region


@pytest.mark.parametrize(
    ("part", "name"),
    [
        ("lung_upper_lobe_left", "lung"),
        ("Upper lobe of left lung", "lung"),
        ("Right Lung", "lung"),
        ("heart_ventricle_left", "heart"),
        ("Left Kidney", "abdomen"),
        ("ribs", "bone"),
        ("vertebrae_T5", "bone"),
    ],
)
def test_a_part_belongs_to_its_region_but_does_not_name_it(part: str, name: str) -> None:
    region = region_of_structure(part)
    assert region is not None and region.name == name
    with pytest.raises(InputError, match="Unknown region"):
        get_region(part)


@pytest.mark.parametrize("name", ["", "lung nodule", "lung tumor", "pleural_effusion", "brain", "肺"])
def test_what_is_only_similar_to_a_region_is_not_one(name: str) -> None:
    assert region_of_structure(name) is None


def test_an_unknown_region_is_rejected_with_a_list_of_the_known_ones() -> None:
    with pytest.raises(InputError, match="Unknown region 'spleen'; expected one of: abdomen, bone"):
        get_region("spleen")
