# Copy the samples of a server into a database. A second run goes on where the first one ended.
printf 'copied{job="api"} 1 1772366400000\n' |
    curl -sf "$NOVA_URL/api/v1/import/prometheus" -H "Authorization: Bearer $NOVA_TOKEN" --data-binary @-

novaql import "$NOVA_URL" --data copy --match copied --start 2026-03-01T12:00:00Z --end 2026-03-01T13:00:00Z |
    grep '^copied 1 samples'
novaql query copied --data copy --time 2026-03-01T12:00:00Z --format csv | grep ',1,copied,api$'
