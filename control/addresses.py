"""A block of Prefect for any address: it has none that sends mail by SMTP."""

from prefect.blocks.notifications import AppriseNotificationBlock


class AppriseAddress(AppriseNotificationBlock):
    """Tell by any address that Apprise knows: of a mailbox, a chat, a webhook (https://appriseit.com)."""

    _block_type_name = "Apprise Address"
    _block_type_slug = "apprise-address"
