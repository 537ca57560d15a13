"""Density as a weight of distances, held to its definition in NumPy."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from evenly import Refine, Selection, select_uniform
from evenly.embedding import KeptDensities, open_cache
from evenly.errors import OptionError
from evenly.geometry import DistanceMatrix, Points, mean_distances_of_all, row_lengths
from evenly.geometry.search.knn_distance import SearchSizes
from evenly.selection.rules import density
from tests.support import oracle
from tests.support.command_line import succeed
from tests.support.encoders import TopicEncoder, texts_of

pytestmark = pytest.mark.filterwarnings("ignore::evenly.errors.IsolatedRowsWarning")

SMALL = SearchSizes(rows_at_once=16, targets=32, few=0, block=32, part=5000)


def pool(seed=0, rows=300, dimension=5):
    rng = np.random.default_rng(seed)
    centres = 3 * rng.standard_normal((6, dimension))
    vectors = centres[rng.integers(0, 6, rows)] + rng.standard_normal((rows, dimension))
    vectors[:8] = 40 * np.eye(dimension)[np.arange(8) % dimension]  # isolated, in both directions
    vectors[5:8] *= -1
    return vectors.astype(np.float32)


def densities_by_definition(vectors, k, usable=None):
    """1 / the mean distance to the k nearest different rows, at most 10 times the median's."""
    rows = np.asarray(vectors, np.float64)
    usable = np.ones(len(rows), bool) if usable is None else usable
    different = np.unique(rows[usable], axis=0)
    gaps = np.sqrt(((different[:, None] - different) ** 2).sum(axis=2))
    means = np.sort(gaps, axis=1)[:, 1 : k + 1].mean(axis=1)
    means = np.maximum(means, np.median(means) / 10)
    at = {row.tobytes(): mean for row, mean in zip(different, means, strict=True)}
    return np.array([1 / at[row.tobytes()] if row.tobytes() in at else 1.0 for row in rows])


def weights_by_definition(densities, exponent):
    powers = densities**exponent
    return np.maximum(powers / powers.max(), 1e-6)


def points_of(vectors):
    usable = np.ones(len(vectors), bool)
    return Points.of(vectors, row_lengths(vectors), usable, normalize=False)


@pytest.mark.parametrize("exponent", [1.0, 0.5, 3.0, -1.0])
@pytest.mark.parametrize("engine", ["memory", "mapped", "faiss", "sharded"])
def test_distances_are_multiplied_by_a_power_of_the_density(engine, exponent):
    vectors = pool()
    weights = weights_by_definition(densities_by_definition(vectors, 7), exponent)
    start = 40
    expected = oracle.with_rules(vectors, 30, False, [], start=start, weights=weights)

    found = select_uniform(
        vectors,
        30,
        normalize=False,
        start=start,
        engine=engine,
        density_weight=exponent,
        density_neighbours=7,
    )

    assert found.indices.tolist() == expected[0].tolist()
    np.testing.assert_allclose(found.radii, expected[1], rtol=1e-9)
    np.testing.assert_allclose(found.coverage_radius, expected[2], rtol=1e-9)


def test_isolated_rows_come_first_without_it_and_last_with_it():
    vectors = pool()
    plain = select_uniform(vectors, 8, normalize=False)
    typical = select_uniform(vectors, 8, normalize=False, density_weight=2)
    rare = select_uniform(vectors, 8, normalize=False, density_weight=-2)

    assert set(range(8)) == set(plain.indices.tolist())
    assert not set(range(8)) & set(typical.indices.tolist())
    assert set(range(8)) == set(rare.indices.tolist())


def test_ten_neighbours_are_the_default_and_zero_is_no_weight():
    vectors = pool(1)
    ten = select_uniform(vectors, 40, density_weight=1, density_neighbours=10)
    default = select_uniform(vectors, 40, density_weight=1)
    none = select_uniform(vectors, 40, density_weight=0)

    assert default.indices.tolist() == ten.indices.tolist()
    assert none.indices.tolist() == select_uniform(vectors, 40).indices.tolist()
    assert default.indices.tolist() != none.indices.tolist()


def test_equal_rows_count_once():
    vectors = pool(2)
    copied = np.concatenate([vectors, vectors[:100], vectors[:1].repeat(30, axis=0)])

    alone = select_uniform(vectors, 25, normalize=False, density_weight=1)
    beside_copies = select_uniform(
        copied, 25, normalize=False, density_weight=1, start=int(alone.indices[0])
    )

    assert beside_copies.indices.tolist() == alone.indices.tolist()


@pytest.mark.parametrize("sums_differ", [True, False])
@pytest.mark.parametrize("is_matrix", [True, False])
def test_equal_rows_are_found_whether_or_not_their_sums_tell_others_apart(
    monkeypatch, sums_differ, is_matrix
):
    if not sums_differ:
        monkeypatch.setattr(density, "_random_factors", lambda count: np.zeros(count, np.uint64))
    random = np.random.default_rng(3)
    vectors = random.integers(-1, 2, (300, 4)) * np.where(random.random((300, 4)) < 0.5, 1.0, -1.0)
    rows = np.flatnonzero(random.random(300) < 0.7)
    points = Points.of(vectors, row_lengths(vectors), np.ones(300, bool), normalize=False)
    compared = vectors[rows]
    if is_matrix:
        points = DistanceMatrix(cdist(vectors, vectors), np.ones(300, bool))
        compared = points.matrix[rows][:, rows]

    first, which = density._different(points, rows)

    equal = (compared[:, None] == compared).all(axis=2)
    np.testing.assert_array_equal(first[which], rows[equal.argmax(axis=1)])
    np.testing.assert_array_equal(first, np.unique(rows[equal.argmax(axis=1)]))


def test_a_family_of_near_duplicates_does_not_outweigh_all_others():
    rng = np.random.default_rng(3)
    vectors = pool(3)
    family = vectors[50] + 1e-6 * rng.standard_normal((40, 5)).astype(np.float32)
    together = np.concatenate([vectors, family])

    found = select_uniform(together, 60, normalize=False, density_weight=1)

    # Without the limit, the weights of all other rows would be the smallest one.
    weights = weights_by_definition(densities_by_definition(together, 10), 1)
    expected = oracle.with_rules(
        together, 60, False, [], start=int(found.indices[0]), weights=weights
    )
    assert found.indices.tolist() == expected[0].tolist()
    assert np.count_nonzero(found.indices >= 300) <= 1


def test_excluded_rows_are_no_neighbours():
    vectors = pool(4)
    excluded = np.arange(300) % 3 == 0
    densities = densities_by_definition(vectors, 4, ~excluded)
    weights = np.where(excluded, 1.0, weights_by_definition(densities[~excluded], 1).max())
    weights[~excluded] = weights_by_definition(densities[~excluded], 1)

    found = select_uniform(
        vectors,
        20,
        normalize=False,
        start=1,
        exclude=excluded,
        density_weight=1,
        density_neighbours=4,
    )
    expected = oracle.with_rules(
        vectors, 20, False, [], start=1, excluded=excluded, weights=weights
    )

    assert found.indices.tolist() == expected[0].tolist()


def test_quality_and_density_are_multiplied():
    vectors, quality = pool(5), np.random.default_rng(5).random(300) + 0.1
    weights = (quality / quality.max()) ** 0.5
    weights = weights * weights_by_definition(densities_by_definition(vectors, 10), 1)
    expected = oracle.with_rules(vectors, 20, False, [], start=9, weights=weights)

    found = select_uniform(
        vectors, 20, normalize=False, start=9, quality=quality, quality_weight=0.5, density_weight=1
    )

    assert found.indices.tolist() == expected[0].tolist()


def test_a_matrix_of_distances_has_densities_too():
    vectors = pool(6)
    matrix = cdist(vectors, vectors)
    of_vectors = select_uniform(vectors.astype(float), 20, normalize=False, density_weight=1)
    of_matrix = select_uniform(
        matrix, 20, engine="distances", density_weight=1, start=int(of_vectors.indices[0])
    )

    assert of_matrix.indices.tolist() == of_vectors.indices.tolist()


def test_a_saved_selection_is_extended_with_the_same_weights(tmp_path):
    np.save(tmp_path / "pool.npy", pool(7))
    options = {"normalize": False, "density_weight": 0.7, "density_neighbours": 3}
    select_uniform(tmp_path / "pool.npy", 10, **options).save(tmp_path / "ten.json")

    more = Selection.load(tmp_path / "ten.json").extend(25)

    at_once = select_uniform(tmp_path / "pool.npy", 25, **options)
    assert more.indices.tolist() == at_once.indices.tolist()


def test_a_checkpoint_knows_the_weights(tmp_path):
    vectors, path = pool(8), tmp_path / "picks"
    ten = select_uniform(vectors, 10, density_weight=1, checkpoint=path)
    again = select_uniform(vectors, 20, density_weight=1, checkpoint=path)

    assert again.indices[:10].tolist() == ten.indices.tolist()
    with pytest.raises(Exception, match="another selection"):
        select_uniform(vectors, 20, density_weight=2, checkpoint=path)


def test_densities_are_computed_once_for_the_same_content(monkeypatch):
    searches = []

    def counting(points, rows, k, **rest):
        searches.append(k)
        return mean_distances_of_all(points, rows, k, **rest)

    monkeypatch.setattr(density, "mean_distances_of_all", counting)
    vectors = pool(11)

    ten = select_uniform(vectors, 10, density_weight=1)
    twenty = select_uniform(vectors.copy(), 20, density_weight=0.5)
    assert searches == [10]
    again = select_uniform(vectors, 20, density_weight=1)
    assert searches == [10]
    assert again.indices[:10].tolist() == ten.indices.tolist() != twenty.indices[:10].tolist()

    select_uniform(vectors, 10, density_weight=1, density_neighbours=5)
    select_uniform(vectors, 10, density_weight=1, density_neighbours=5, normalize=False)
    select_uniform(vectors, 10, density_weight=1, density_neighbours=5, exclude=[3])
    vectors[4] += 1
    select_uniform(vectors, 10, density_weight=1, density_neighbours=5)
    assert searches == [10, 5, 5, 5, 5]


def test_densities_on_disk_are_found_without_a_search(monkeypatch, tmp_path):
    first, other = (points_of(pool(seed).astype(float)) for seed in (12, 13))
    usable, kept = np.ones(300, bool), KeptDensities(tmp_path / "densities")

    def find(points=first, usable=usable, k=3, fewest_kept=300):
        return density.densities(points, usable, k, kept=kept, fewest_kept=fewest_kept)

    find(fewest_kept=301)
    assert kept.files() == []
    find(other)  # so that those of the first are not the latest in memory
    expected = find().tolist()
    find(other)
    assert len(kept.files()) == 2
    assert expected == pytest.approx(densities_by_definition(first.stored, 3))

    monkeypatch.setattr(density, "mean_distances_of_all", None)
    assert find().tolist() == expected
    for changed in ({"k": 4}, {"usable": np.arange(300) > 0}, {"points": points_of(pool(12))}):
        with pytest.raises(TypeError):  # a search
            find(**changed)


def test_densities_of_a_large_pool_are_kept_beside_the_cache(tmp_path):
    vectors = np.random.default_rng(0).standard_normal((10_000, 3)).astype(np.float32)
    cache = open_cache(tmp_path)

    select_uniform(vectors, 3, density_weight=1, cache_dir=False)
    select_uniform(vectors[:9999], 3, density_weight=1, cache_dir=tmp_path)
    assert cache.info().density_bytes == 0
    found = select_uniform(vectors, 3, density_weight=1, cache_dir=tmp_path)

    assert cache.info().density_bytes > 80_000
    select_uniform(vectors[1:], 3, density_weight=1)  # those in memory are of another pool now
    again = select_uniform(vectors, 3, density_weight=1, cache_dir=tmp_path)
    assert again.indices.tolist() == found.indices.tolist()
    assert cache.clear() > 80_000
    assert cache.info().density_bytes == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"density_weight": np.nan}, "density_weight must be a finite number"),
        ({"density_weight": "1"}, "density_weight must be a finite number"),
        ({"density_neighbours": 3}, "density_neighbours= needs density_weight="),
        ({"density_search": "exact"}, "density_search= needs density_weight="),
        ({"density_weight": 1, "density_search": "fast"}, "density_search must be"),
        ({"density_weight": 1, "density_neighbours": 0}, "density_neighbours must be a whole"),
        ({"density_weight": -1, "refine": True}, "below 0 prefers rare rows"),
        ({"density_weight": 1, "refine": True, "min_distance": 0.1}, "min_distance= cannot be"),
        ({"density_weight": 1, "refine": Refine(method="exact")}, 'use Refine\\(method="search"'),
    ],
)
def test_options_that_make_no_sense_are_refused(options, message):
    with pytest.raises(OptionError, match=message):
        select_uniform(pool(), 5, **options)


def test_rows_that_are_all_equal_have_no_density():
    with pytest.raises(OptionError, match="all usable rows are equal"):
        select_uniform(np.ones((20, 3)), 5, normalize=False, density_weight=1)


def test_a_weighted_selection_cannot_be_filled():
    found = select_uniform(pool(), 5, density_weight=1)

    with pytest.raises(Exception, match="made with density_weight cannot be filled"):
        found.fill()


def test_the_command_line_weighs_by_density(tmp_path):
    np.save(tmp_path / "pool.npy", pool(9))
    options = ["--density-weight", "1", "--density-neighbours", "4", "-o", tmp_path / "nine.npy"]

    told = succeed("select", tmp_path / "pool.npy", "-b", "9", *options).stdout

    expected = select_uniform(pool(9), 9, density_weight=1, density_neighbours=4)
    assert np.load(tmp_path / "nine.npy").tolist() == pool(9)[expected.indices].tolist()
    assert "weighted by density" in told
    assert told.index("mean distance") < told.index("h_min")
    plain = succeed("select", tmp_path / "pool.npy", "-b", "9").stdout
    assert plain.index("h_min") < plain.index("mean distance")


PRODUCTS = [(8, True), (8, False), (16, False)]


@pytest.mark.parametrize(("bits", "tiles"), PRODUCTS)
@pytest.mark.parametrize("k", [1, 4, 500])
@pytest.mark.parametrize("kind", ["random", "lattice", "duplicates"])
def test_mean_distances_of_all_rows(kind, k, bits, tiles):
    rng = np.random.default_rng(k)
    vectors = {
        "random": rng.standard_normal((220, 6)),
        "lattice": np.stack(np.meshgrid(range(15), range(14)), -1).reshape(-1, 2).astype(float),
        "duplicates": rng.standard_normal((55, 4)).repeat(4, axis=0),
    }[kind]
    gaps = oracle.gaps_by_definition(vectors, False)
    np.fill_diagonal(gaps, np.inf)
    expected = np.sort(gaps, axis=1)[:, : min(k, len(vectors) - 1)].mean(axis=1)
    done = []

    sizes = replace(SMALL, bits=bits, tiles=tiles)
    found = mean_distances_of_all(
        points_of(vectors), np.arange(len(vectors)), k, progress=done.append, sizes=sizes
    )

    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
    assert sum(done) == len(vectors)


class OnDisk:
    """Vectors that are read when they are needed, and how many were."""

    def __init__(self, vectors):
        self.shape, self.dtype, self.read = vectors.shape, vectors.dtype, 0
        self._vectors = vectors

    def __len__(self):
        return len(self._vectors)

    def __getitem__(self, rows):
        some = self._vectors[rows]
        self.read += len(some)
        return some


@pytest.mark.parametrize("type_", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("k", [3, 10])
@pytest.mark.parametrize("on_disk", [False, True])
@pytest.mark.parametrize("dimension", [130, 128])  # all axes count only if there are whole chunks
@pytest.mark.parametrize(("bits", "tiles"), PRODUCTS)
def test_wide_rows_are_compared_by_a_few_axes_first(type_, k, on_disk, bits, tiles, dimension):
    rng = np.random.default_rng(k)
    spread = np.linspace(2, 0.1, dimension)
    vectors = (rng.standard_normal((700, dimension)) * spread).astype(type_)
    vectors[::9] = vectors[4] + (0.01 * rng.standard_normal((78, dimension))).astype(type_)
    gaps = cdist(vectors.astype(float), vectors.astype(float))
    np.fill_diagonal(gaps, np.inf)
    expected = np.sort(gaps, axis=1)[:, :k].mean(axis=1)
    points = points_of(vectors)
    if on_disk:
        points = replace(points, stored=OnDisk(vectors))
    rows = np.arange(700)

    sizes = replace(SMALL, part=150_000, bits=bits, tiles=tiles)
    found = mean_distances_of_all(points, rows, k, sizes=sizes)

    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("dimension", [5, 96, 100])
@pytest.mark.parametrize(("bits", "tiles"), PRODUCTS)
def test_rows_that_nearly_tie_are_all_decided_exactly(bits, tiles, dimension):
    rng = np.random.default_rng(0)
    lattice = np.stack(np.meshgrid(*[range(4)] * 5), -1).reshape(-1, 5) - 1.5
    turn = np.linalg.qr(rng.standard_normal((dimension, dimension)))[0][:5]
    # Up to ten neighbours, at distances that differ by less than proxies can tell.
    vectors = lattice @ turn + 1e-7 * rng.standard_normal((len(lattice), dimension))
    gaps = cdist(vectors, vectors)
    np.fill_diagonal(gaps, np.inf)
    expected = np.sort(gaps, axis=1)[:, :3].mean(axis=1)

    sizes = replace(SMALL, bits=bits, tiles=tiles)
    found = mean_distances_of_all(points_of(vectors), np.arange(1024), 3, sizes=sizes)

    # A wrong choice among the ties would be off by 1e-8.
    np.testing.assert_allclose(found, expected, rtol=1e-11)


def test_a_file_is_read_a_few_times():
    vectors = np.random.default_rng(0).standard_normal((6000, 8)).astype(np.float32)
    stored = OnDisk(vectors)
    points = replace(points_of(vectors), stored=stored)

    mean_distances_of_all(points, np.arange(6000), 3, sizes=replace(SMALL, part=6000 * 32 / 4))

    # Four parts, each read once and again beside every earlier one, after a sample.
    assert stored.read < 2.5 * 6000 + 4500


@pytest.mark.parametrize("seed", range(40))
def test_weighted_distances_are_within_the_factor_of_the_theory(seed):
    rng = np.random.default_rng(seed)
    vectors, quality = rng.standard_normal((11, 2)), rng.choice([0.1, 0.2, 0.5, 1.0], 11)
    gaps = oracle.gaps_by_definition(vectors, False)
    largest = lambda chosen: (quality * gaps[:, list(chosen)].min(axis=1)).max()  # noqa: E731
    best = min(map(largest, combinations(range(11), 3)))

    for start in range(11):
        found = select_uniform(vectors, 3, normalize=False, quality=quality, start=start)
        factor = max(3, 1 + quality.max() / quality[start])
        assert largest(found.indices.tolist()) <= factor * best * (1 + 1e-9)


def test_texts_have_densities_once_they_are_embedded():
    texts, encoder = texts_of(30), TopicEncoder()
    vectors = encoder.encode(texts)

    found = select_uniform(texts, 5, density_weight=0.5, encoder=encoder)

    expected = select_uniform(vectors, 5, density_weight=0.5)
    assert found.indices.tolist() == expected.indices.tolist()
