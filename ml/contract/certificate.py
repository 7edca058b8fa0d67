"""What the derivation of the certificate in SQL starts from."""

from __future__ import annotations

from ml.contract.model import REGION, SERVICE, Table, column

PLACEMENT_CERTIFICATE_PARAMETERS = Table(
    "placement_certificate_parameters",
    ("plan_id", "name", "scope"),
    "The policy of the recommended plan as numbers, for deriving its bounds again.",
    (
        column("plan_id", "text", "The recommended plan; one row of placement_runs."),
        column("name", "text", "Name in the policy; or a list of services that a rule spares."),
        column("scope", "text", "Member of a list; `*` for a plain value."),
        column("value", "double", "The value; 1 for a member of a list.", required=False),
    ),
)

PLACEMENT_CERTIFICATE_CLIENTS = Table(
    "placement_certificate_clients",
    ("plan_id", "service_id", "region_id"),
    "Calls that reach each service from each region in which its callers run.",
    (
        column("plan_id", "text", "Plan; one row of placement_runs."),
        SERVICE,
        column("region_id", "text", "Region that calls."),
        column("calls_rps", "double", "Mean calls per second.", low=0),
        column("awaited_rps", "double", "Those of them that the caller waits for.", low=0),
        column("request_kb_per_second", "double", "Sent to the service.", low=0),
        column("response_kb_per_second", "double", "Sent back.", low=0),
        column(
            "callers_usd_per_ms",
            "double",
            "What a ms costs the clients of the callers, $ per hour.",
            required=False,
            low=0,
        ),
    ),
    may_be_empty=True,
)

PLACEMENT_CERTIFICATE_CLIENT_HOURS = Table(
    "placement_certificate_client_hours",
    ("plan_id", "service_id", "region_id", "hour_bin"),
    "The same calls at their upper quantile, by hour of the week.",
    (
        column("plan_id", "text", "Plan; one row of placement_runs."),
        SERVICE,
        column("region_id", "text", "Region that calls."),
        column("hour_bin", "bigint", "Bin of hours of the week, from 0.", low=0, high=167),
        column("peak_rps", "double", "Calls per second to size for.", low=0),
    ),
    may_be_empty=True,
)

PLACEMENT_CERTIFICATE_ONWARD = Table(
    "placement_certificate_onward",
    ("plan_id", "service_id", "region_id"),
    "What a request leads to that a service serves in a region, its callees staying put.",
    (
        column("plan_id", "text", "Plan; one row of placement_runs."),
        SERVICE,
        REGION,
        column("calls_ms", "double", "Time it spends on calls.", low=0),
        column("calls_variance_ms2", "double", "Variance of that time.", low=0),
        column(
            "onward_usd_per_rps",
            "double",
            "Waiting, transfer and instances that one request per second causes, $ per hour.",
            required=False,
            low=0,
        ),
    ),
    may_be_empty=True,
)

PLACEMENT_CERTIFICATE_ELSEWHERE = Table(
    "placement_certificate_elsewhere",
    ("plan_id", "service_id", "set_number", "region_id"),
    "What a region set leads to at other services if its service alone moves there.",
    (
        column("plan_id", "text", "The recommended plan; one row of placement_runs."),
        SERVICE,
        column("set_number", "bigint", "Tells sets of one service apart.", low=0),
        column("region_id", "text", "Region of the set."),
        column(
            "is_closed", "boolean", "Left out of the bound: another service's rule would break."
        ),
        column(
            "elsewhere_micro_usd",
            "bigint",
            "Cost per hour beyond the set's price to first order, millionths of a dollar.",
        ),
    ),
    may_be_empty=True,
)

TABLES = (
    PLACEMENT_CERTIFICATE_PARAMETERS,
    PLACEMENT_CERTIFICATE_CLIENTS,
    PLACEMENT_CERTIFICATE_CLIENT_HOURS,
    PLACEMENT_CERTIFICATE_ONWARD,
    PLACEMENT_CERTIFICATE_ELSEWHERE,
)
