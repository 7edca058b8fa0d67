"""Why, why not, in which order and what if: tables that explain the plan."""
