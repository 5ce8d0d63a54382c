"""Tables as samples: Arrow, data frames, Parquet, CSV."""
