"""One query for each function, aggregator and operator of the registry, and its text for the peers.

Queries read the series of `breadth_data`. A peer that spells a function differently has its own
text; a peer without it has none. `agrees`: the peers whose answer is the same by definition.
VictoriaMetrics also reads the sample before a window, retains other metric names, and drops NaN.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

PROMETHEUS, VICTORIA = "prometheus", "victoriametrics"
_LETTERS = {"p": PROMETHEUS, "v": VICTORIA}


@dataclass(frozen=True, slots=True)
class Entry:
    """name: of the function, aggregator or operator; peers: the query for each peer that has it."""

    name: str
    query: str
    peers: dict[str, str]
    agrees: frozenset[str]


def _entry(name: str, query: str, peers: str = "", agrees: str = "", **spelled: str) -> Entry:
    """peers, agrees: letters of `_LETTERS`; spelled: the text for a peer, by letter."""
    texts = {_LETTERS[peer]: query for peer in peers}
    texts |= {_LETTERS[peer]: text for peer, text in spelled.items()}
    return Entry(name, query, texts, frozenset(_LETTERS[peer] for peer in agrees))


_TEMPLATES = (
    # (query with F for the name, peers, peers that agree, names)
    ("F(gauge[10m])", "pv", "pv",
     "avg_over_time sum_over_time count_over_time min_over_time max_over_time stddev_over_time "
     "stdvar_over_time last_over_time present_over_time"),
    ("F(gauge[10m])", "pv", "p", "delta idelta deriv"),
    ("F(few[10m])", "pv", "p", "changes"),
    ("F(counter[10m])", "pv", "p", "rate increase irate resets"),
    ("F(gauge[10m])", "v", "v",
     "first_over_time mad_over_time sum2_over_time range_over_time median_over_time "
     "geomean_over_time zscore_over_time rate_over_sum tfirst_over_time tlast_over_time lag "
     "timestamp_with_name default_rollup delta_prometheus ideriv rollup histogram_over_time"),
    ("F(few[10m])", "v", "v", "distinct_over_time tmin_over_time tmax_over_time "
     "changes_prometheus tlast_change_over_time outlier_iqr_over_time"),
    ("F(gauge[10m])", "v", "",
     "ascent_over_time descent_over_time increases_over_time decreases_over_time deriv_fast "
     "integrate lifetime scrape_interval rollup_delta rollup_deriv rollup_candlestick "
     "rollup_scrape_interval stale_samples_over_time"),
    ("F(few[10m])", "v", "", "mode_over_time"),
    ("F(counter[10m])", "v", "", "increase_pure increase_prometheus rollup_increase rollup_rate"),
    ("F(counter[10m])", "", "", "rate_prometheus"),
    ("F(gauge[10m], 50)", "v", "v",
     "count_gt_over_time count_le_over_time share_gt_over_time share_le_over_time "
     "sum_gt_over_time sum_le_over_time"),
    ("F(few[10m], 2)", "v", "v",
     "count_eq_over_time count_ne_over_time share_eq_over_time sum_eq_over_time"),
    ("F(0.9, gauge[10m])", "v", "v", "hoeffding_bound_lower hoeffding_bound_upper"),
    ("F(0.9, gauge[10m])", "pv", "pv", "quantile_over_time"),
    ("F(gauge)", "pv", "p", "abs ceil floor round exp ln log2 log10 sqrt sgn atan asinh cos cosh "
     "sin sinh tan tanh deg rad"),
    ("F(gauge)", "pv", "p", "sort sort_desc timestamp"),
    ("F(gauge / 100)", "pv", "", "acos asin atanh"),
    ("F(gauge)", "pv", "p", "acosh"),
    ("F(gauge, 20)", "pv", "p", "clamp_min clamp_max"),
    ("F(few, 3)", "v", "", "bitmap_and bitmap_or bitmap_xor"),
    ("gauge * F()", "pv", "p", "pi time"),
    ("gauge * F()", "v", "", "now rand rand_normal rand_exponential start end step"),
    ("gauge * F()", "", "", "range"),
    ("gauge * F(1, 2)", "", "", "min_of max_of"),
    ("F(seconds)", "pv", "p", "minute hour day_of_week day_of_month day_of_year days_in_month "
     "month year"),
    ("F(gauge)", "v", "", "range_avg range_first range_last range_max range_median range_min "
     "range_stddev range_stdvar range_sum range_zscore range_mad range_linear_regression "
     "range_normalize running_avg running_max running_min running_sum "
     "drop_common_labels"),
    ("F(gauge > 50)", "v", "", "keep_last_value keep_next_value interpolate drop_empty_series"),
    ("F(counter)", "v", "", "remove_resets"),
    ("F(gauge, 0)", "v", "", "label_graphite_group"),
    ("F(0.9, gauge)", "v", "", "range_quantile"),
    ("F(2, gauge)", "v", "", "range_trim_outliers range_trim_zscore"),
    ("F(0.05, gauge)", "v", "", "range_trim_spikes"),
    ('F(gauge, "job")', "v", "", "label_del label_lowercase label_uppercase "
     "sort_by_label_numeric sort_by_label_numeric_desc"),
    ('F(gauge, "n", "job", "__name__")', "v", "", "label_keep"),
    ('F(gauge, "job", "task")', "v", "", "label_set label_copy label_move"),
    ('F(gauge, "instance", "host-.*[1-4]")', "v", "", "label_match label_mismatch"),
    ('F(gauge, "job", "instance")', "v", "", "labels_equal"),
    ("F(native)", "p", "p", "histogram_count histogram_sum histogram_avg histogram_stddev "
     "histogram_stdvar"),
    ("F by (job) (gauge)", "pv", "p", "sum avg min max count group stddev stdvar"),
    ("F by (job) (gauge)", "v", "v", "geomean sum2 median"),
    ("F by (job) (gauge)", "v", "", "distinct histogram mode mad share zscore any"),
    ("F(gauge)", "v", "", "outliers_iqr"),
    ("F(3, gauge)", "v", "", "outliers_mad outliersk"),
    ("F by (job) (3, gauge)", "pv", "p", "topk bottomk"),
    ('F(3, gauge, "n=other")', "v", "", "topk_avg topk_last topk_max topk_median topk_min "
     "bottomk_avg bottomk_last bottomk_max bottomk_median bottomk_min"),
    ("gauge F other", "pv", "p", "+ - * / % ^ atan2"),
    ("gauge F other", "pv", "p", "== != > < >= <="),
    ("gauge F (other > 50)", "pv", "p", "and or unless"),
    ("(gauge > 50) F other", "v", "", "default"),
    ("gauge F (other > 50)", "v", "", "if ifnot"),
    ("native F 5", "", "", "</ >/"),
)  # fmt: skip

_BUCKETS = "rate(delay_bucket[10m])"
_OTHERS = (
    _entry("absent", 'absent(gauge{n="none"})', "pv", "p"),
    _entry("absent_over_time", 'absent_over_time(gauge{n="none"}[10m])', "pv", "p"),
    _entry("predict_linear", "predict_linear(gauge[10m], 3600)", "pv", "p"),
    _entry(
        "double_exponential_smoothing",
        "double_exponential_smoothing(gauge[10m], 0.3, 0.6)",
        agrees="p",
        p="holt_winters(gauge[10m], 0.3, 0.6)",
        v="holt_winters(gauge[10m], 0.3, 0.6)",
    ),
    _entry("holt_winters", "holt_winters(gauge[10m], 0.3, 0.6)", "v"),
    *(
        _entry(f"ts_of_{which}_over_time", f"ts_of_{which}_over_time(few[10m])", agrees="v",
               v=f"t{which}_over_time(few[10m])")
        for which in ("min", "max", "first", "last")
    ),
    _entry("clamp", "clamp(gauge, 20, 70)", "pv", "p"),
    _entry("ru", "ru(gauge, gauge + 5)", "v"),
    _entry("ttf", "ttf(gauge)", "v"),
    _entry("scalar", "scalar(sum(gauge))", "pv", "p"),
    _entry("vector", "vector(time())", "pv", "p"),
    _entry("union", "union(gauge, other)", "v"),
    _entry("limit_offset", "limit_offset(100, 10, gauge)", "v"),
    _entry("label_replace", 'label_replace(gauge, "h", "$1", "instance", "host-(.*)")', "pv", "p"),
    _entry("label_join", 'label_join(gauge, "x", "/", "job", "instance")', "pv", "p"),
    _entry("label_map", 'label_map(gauge, "job", "job-1", "a", "job-2", "b")', "v"),
    _entry("label_transform", 'label_transform(gauge, "instance", "-", "_")', "v"),
    _entry("label_value", 'label_value(gauge, "n")', "v"),
    _entry("alias", 'alias(sum by (n) (gauge), "x")', "v"),
    _entry("sort_by_label", 'sort_by_label(gauge, "n")', "v"),
    _entry("sort_by_label_desc", 'sort_by_label_desc(gauge, "n")', "v"),
    _entry("info", "info(gauge)"),
    _entry("start_timestamp", "start_timestamp(counter)"),
    _entry("timezone_offset", 'gauge + timezone_offset("Europe/Berlin")', "v"),
    _entry("start_of", 'gauge + start_of("month", "Europe/Berlin")'),
    _entry("histogram_quantile", f"histogram_quantile(0.9, {_BUCKETS})", "pv", "p"),
    _entry(
        "histogram_quantiles",
        f'histogram_quantiles({_BUCKETS}, "q", 0.5, 0.9)',
        v=f'histogram_quantiles("q", 0.5, 0.9, {_BUCKETS})',
    ),
    _entry("histogram_fraction", f"histogram_fraction(0, 1, {_BUCKETS})"),
    _entry("histogram_share", f"histogram_share(1, {_BUCKETS})", "v"),
    _entry("prometheus_buckets", "prometheus_buckets(sizes_bucket)", "v"),
    _entry("buckets_limit", "buckets_limit(5, delay_bucket)", "v"),
    _entry("smooth_exponential", "smooth_exponential(gauge, 0.3)", "v"),
    _entry("quantiles_over_time", 'quantiles_over_time("q", 0.5, 0.9, gauge[10m])', "v", "v"),
    _entry(
        "aggr_over_time",
        'aggr_over_time("min_over_time", "max_over_time", gauge[10m])',
        agrees="v",
        v='aggr_over_time(("min_over_time", "max_over_time"), gauge[10m])',
    ),
    _entry("count_values_over_time", 'count_values_over_time("v", few[10m])', "v", "v"),
    _entry("duration_over_time", "duration_over_time(gauge[10m], 20)", "v", "v"),
    _entry("seasonal_baseline", "seasonal_baseline(gauge[10m], 120)"),
    _entry("correlation", "correlation(gauge[10m], other[10m])"),
    _entry("burn_rate", "burn_rate(gauge / 100, 0.999)"),
    _entry("error_budget_remaining", "error_budget_remaining(counter[10m], counter[10m], 0.999)"),
    _entry("quantile", "quantile by (job) (0.9, gauge)", "pv", "p"),
    _entry("quantiles", 'quantiles("q", 0.5, 0.9, gauge)', "v"),
    _entry("count_values", 'count_values by (job) ("v", few)', "pv", "p"),
    _entry("limitk", "limitk by (job) (3, gauge)", "v"),
    _entry("limit_ratio", "limit_ratio(0.5, gauge)"),
)  # fmt: skip


def _entries() -> Iterator[Entry]:
    for template, peers, agrees, names in _TEMPLATES:
        for name in names.split():
            yield _entry(name, template.replace("F", name), peers, agrees)
    yield from _OTHERS


ENTRIES = tuple(_entries())
"""One for each function, aggregator and operator, in the order of the table."""

NATIVE_ENTRIES = (
    _entry("rate of native", "histogram_count(rate(native[10m]))", "p", "p"),
    # Prometheus 2.53 interpolates in another way.
    _entry("quantile of native", "histogram_quantile(0.9, rate(native[10m]))", "p"),
    _entry("sum of native", "histogram_count(sum by (job) (native))", "p", "p"),
)
"""What is done with native histograms most."""
