"""What is found where people keep images: folders, tables, annotations; nothing is decoded here."""
