# Needs: promtool
# promtool asks a server as it asks a Prometheus. The token is the password of any user.
printf 'tooled{job="api"} 1 1772366400000\n' |
    curl -sf "$NOVA_URL/api/v1/import/prometheus" -H "Authorization: Bearer $NOVA_TOKEN" --data-binary @-

promtool query instant --time 1772366400 "http://any:$NOVA_TOKEN@${NOVA_URL#http://}/prometheus" tooled |
    grep '^tooled{job="api"} => 1 @'
