"""The wire: generated protobuf code and its mapping to the domain; for service and client only."""
