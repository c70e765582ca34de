"""A service that drafts a report for each CT series that an Orthanc receives. The inference path never imports this.

Files in the order data flows:

    orthanc    the change feed of an Orthanc, and its series
    inbox      series that were received and wait for their drafts
    outbox     drafts that are sent
    health     whether the service works
    run        the service

A batch with an inbox as its input writes the drafts, so a killed service continues as a batch does: a series leaves the
inbox only when its draft is stored. Objects of a draft have the same UIDs whenever it is sent, so nothing is doubled.
"""
