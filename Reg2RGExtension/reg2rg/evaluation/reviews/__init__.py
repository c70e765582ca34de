"""Statistics of reviews: what reviewers did to drafts, and how long it took.

Files in the order data flows:

    outcomes         what happened to each section and finding of a reviewed report
    review_times     how long reviewers took, from the logs of their reviews
    review_tables    the numbers per region, per finding and over time
    review_plots     figures of these tables
    review_stats     the entry point behind ``reg2rg review-stats``
"""
