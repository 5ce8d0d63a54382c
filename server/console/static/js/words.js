// The words of the language, for colouring and completion.

export const AGGREGATORS = "sum avg min max count group stddev stdvar topk bottomk quantile count_values limitk limit_ratio".split(" ");
export const KEYWORDS = "by without on ignoring group_left group_right and or unless offset bool atan2 start end inf nan".split(" ");

/** Function → signature, shown beside the name. */
export const FUNCTIONS = Object.fromEntries(
  `rate(v range) per-second increase
irate(v range) rate of the last two samples
increase(v range) growth of a counter
delta(v range) change of a gauge
idelta(v range) last two samples
deriv(v range) slope by regression
predict_linear(v range, seconds) straight-line forecast
changes(v range) how often it changed
resets(v range) counter resets
avg_over_time(v range) mean
min_over_time(v range) least
max_over_time(v range) greatest
sum_over_time(v range) sum
count_over_time(v range) samples
quantile_over_time(q, v range) quantile
stddev_over_time(v range) standard deviation
stdvar_over_time(v range) variance
last_over_time(v range) newest sample
first_over_time(v range) oldest sample
present_over_time(v range) 1 where present
absent_over_time(v range) 1 where absent
mad_over_time(v range) median absolute deviation
ts_of_max_over_time(v range) when greatest
ts_of_min_over_time(v range) when least
ts_of_last_over_time(v range) when newest
double_exponential_smoothing(v range, sf, tf) Holt's method
histogram_quantile(q, v) quantile of buckets
histogram_count(v) observations
histogram_sum(v) sum of observations
histogram_avg(v) mean observation
histogram_fraction(lower, upper, v) share between bounds
abs(v) magnitude
ceil(v) round up
floor(v) round down
round(v, to) round
clamp(v, min, max) bound
clamp_min(v, min) bound below
clamp_max(v, max) bound above
exp(v) e to the power
ln(v) natural logarithm
log2(v) logarithm
log10(v) logarithm
sqrt(v) square root
sgn(v) sign
sin(v) sine
cos(v) cosine
tan(v) tangent
asin(v) arcsine
acos(v) arccosine
atan(v) arctangent
sinh(v) hyperbolic sine
cosh(v) hyperbolic cosine
tanh(v) hyperbolic tangent
deg(v) to degrees
rad(v) to radians
pi() the constant
absent(v) 1 if there is nothing
label_replace(v, dst, replacement, src, regex) rewrite a label
label_join(v, dst, separator, src…) join labels
info(v) add labels of info metrics
sort(v) ascending
sort_desc(v) descending
sort_by_label(v, label…) by labels
sort_by_label_desc(v, label…) by labels
scalar(v) single value
vector(s) as a vector
time() evaluation time
timestamp(v) time of the sample
minute(v) of the hour
hour(v) of the day
day_of_week(v) 0 is Sunday
day_of_month(v) from 1
day_of_year(v) from 1
days_in_month(v) 28 to 31
month(v) from 1
year(v) in UTC`
    .split("\n")
    .map((line) => {
      const [, name, signature, note] = line.match(/^(\w+)(\([^)]*\)) (.*)$/);
      return [name, { signature, note }];
    }),
);
