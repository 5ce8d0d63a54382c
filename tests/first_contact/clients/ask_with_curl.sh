# A query over HTTP, by the API of NovaQL and by that of Prometheus.
authorization="Authorization: Bearer $NOVA_TOKEN"

curl -sf "$NOVA_URL/v1/novaql" -H "$authorization" -H 'Content-Type: application/json' \
    -d '{"query": "1 + 1", "time": 0}' | grep '"result":\[0,2\]'
curl -sf "$NOVA_URL/prometheus/api/v1/query" -H "$authorization" -d 'query=1+%2B+1' -d time=0 |
    grep '"result":\[0,"2"\]'
# Without a token: 401.
test "$(curl -s -o /dev/null -w '%{http_code}' "$NOVA_URL/prometheus/api/v1/query?query=1")" = 401
