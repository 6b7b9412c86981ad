"""What a message means for reports: handled in one transaction, answered in one SMS."""
